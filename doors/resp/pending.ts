/** What waits in a connection's pipeline: a command or a reply of the door's own, and how it will be shown. */
import type { Command, CommandContext } from '../../commands/command.ts';
import { keyHashesOf } from '../key-hashes.ts';
import { Pending } from '../pipeline.ts';
import type { KnownCommand } from './catalogue.ts';
import type { Protocol } from './reply-writer.ts';
import type { RespReply } from './resp-reply.ts';

/** How a reply is shown, decided when its command came. */
export interface Showing {
  readonly protocol: Protocol;
  /** CLIENT REPLY OFF and SKIP. */
  readonly isSilent: boolean;
  /** The connection ends after this reply. */
  readonly isLast: boolean;
}

/** In place of the time at which a command came, for those whose time is not taken. */
export const untimed = -1;

export class PendingReply extends Pending<RespReply> {
  readonly known: KnownCommand | undefined;
  readonly showing: Showing;
  /** When its command came (performance.now()), or `untimed`. */
  readonly startedMs: number;

  private constructor(
    command: Command | undefined,
    context: CommandContext | undefined,
    bytes: number,
    keys: Pending<RespReply>['keys'],
    writes: boolean,
    known: KnownCommand | undefined,
    showing: Showing,
    startedMs: number,
  ) {
    super(command, context, bytes, keys, writes);
    this.known = known;
    this.showing = showing;
    this.startedMs = startedMs;
  }

  static ofCommand(
    known: KnownCommand,
    command: Command,
    context: CommandContext,
    showing: Showing,
    startedMs: number,
  ): PendingReply {
    const { args } = command;
    let bytes = 0;
    for (let index = 0; index < args.length; index++) bytes += args[index]!.byteLength;
    const { spec } = known;
    // Without keys it is about all of them.
    const keys = spec?.keys === undefined ? undefined : keyHashesOf(spec, command);
    return new PendingReply(command, context, bytes, keys, spec?.writes ?? true, known, showing, startedMs);
  }

  /** A reply that comes from no executor; undefined if it is still on its way. */
  static ofAnswer(reply: RespReply | undefined, showing: Showing): PendingReply {
    const pending = new PendingReply(undefined, undefined, 0, noKeys, false, undefined, showing, untimed);
    pending.answer = reply;
    return pending;
  }
}

const noKeys: readonly number[] = [];
