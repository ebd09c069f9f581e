/**
 * What a command is answered when its shard is away: restarting, stopped, cut off.
 *
 * Reads may answer as if the key were absent (`unavailableReads: miss`), because the clients of a cache recompute what
 * they miss and some cannot read errors at all. Writes fail, unless they are dropped by choice (`unavailableWrites:
 * drop`): then the answer is that of a write that was done, and is no acknowledgement. Both are counted. Writes whose
 * answer tells something of the value (INCR, GETDEL), and commands that promise something of every shard (FLUSH), always
 * fail. What each command answers is in the command table.
 */
import type { Command } from '../commands/command.ts';
import { keysOf } from '../commands/key-slots.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import type { CommandSpec } from '../commands/table.ts';
import type { ErrorCode } from '../errors.ts';

export type UnavailableReads = 'miss' | 'error';
export type UnavailableWrites = 'error' | 'drop';

export interface AwayPolicy {
  readonly unavailableReads: UnavailableReads;
  readonly unavailableWrites: UnavailableWrites;
}

/** A shard that answers so serves nothing for now; another process of it, or it itself, will. */
const awayCodes: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'SHUTDOWN', 'LOADING', 'FENCED']);

export function isAway(reply: Reply): reply is ReplyError {
  return reply instanceof ReplyError && awayCodes.has(reply.code);
}

/** The answer that the policy gives instead of the error, or undefined if the error stands. */
export function answerWithoutShard(
  spec: CommandSpec,
  command: Command,
  policy: AwayPolicy,
): { readonly reply: Reply } | undefined {
  if (spec.writes) {
    if (policy.unavailableWrites === 'error' || spec.dropped === undefined || tellsOfOld(command)) return undefined;
    return { reply: spec.dropped };
  }
  if (policy.unavailableReads === 'error' || spec.merge === 'all-ok' || spec.merge === 'collect') return undefined;
  return { reply: absentReply(spec, command) };
}

/** SET … GET answers the value that was there, with NX and XX whether there was one: a lock that was dropped is none. */
function tellsOfOld({ name, args }: Command): boolean {
  return name === 'SET' && args.slice(2).some((word) => optionsOfOld.has(word.toString('latin1').toUpperCase()));
}

const optionsOfOld: ReadonlySet<string> = new Set(['GET', 'NX', 'XX']);

function absentReply(spec: CommandSpec, command: Command): Reply {
  if (spec.merge === 'by-key') return keysOf(spec, command).map(() => null);
  if (spec.merge === 'sum') return 0;
  if (spec.merge === 'concat') return [];
  const { absent } = spec;
  return typeof absent === 'function' ? absent(command.args) : (absent ?? null);
}
