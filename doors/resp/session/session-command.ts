/**
 * The commands that the door does itself: about a connection, about the process, about the table of commands. Each file
 * of this folder has a family of them, as executors have theirs.
 */
import { ReplyError } from '../../../commands/reply.ts';
import type { Client } from '../client.ts';
import type { DoorParts } from '../door-parts.ts';
import type { RespReply } from '../resp-reply.ts';

/** What COMMAND says of a command, beside what the rest tells. */
export interface SessionCommand {
  /** Upper case. */
  readonly name: string;
  /** Number of arguments without the name. */
  readonly arguments: { readonly min: number; readonly max: number };
  readonly summary: string;
  /** Redis' group, for COMMAND DOCS. */
  readonly group: 'connection' | 'server' | 'cluster';
  /** Clients that have not shown their password may send it. */
  readonly isOpen?: true;
  /** Answers; may change the client. May throw: faults become replies. */
  readonly run: (args: readonly Buffer[], client: Client, parts: DoorParts) => RespReply | Promise<RespReply>;
}

export type Subcommand = Pick<SessionCommand, 'arguments' | 'run'>;

/** Runs the subcommand that the first argument names, with Redis' words for what is wrong. */
export function dispatch(
  name: string,
  subcommands: Readonly<Record<string, Subcommand>>,
  help: readonly string[],
): SessionCommand['run'] {
  const byName = new Map(Object.entries(subcommands));
  return (args, client, parts) => {
    const [first, ...rest] = args;
    const word = upperWord(first!);
    if (word === 'HELP' && rest.length === 0) return helpReply(name, help);
    const subcommand = byName.get(word);
    if (subcommand === undefined) {
      const shown = first!.toString('utf8').slice(0, 128);
      return new ReplyError('ERR', `unknown subcommand '${shown}'. Try ${name} HELP.`);
    }
    const { min, max } = subcommand.arguments;
    if (rest.length < min || rest.length > max) {
      const full = `${name}|${word}`.toLowerCase();
      return new ReplyError('ERR', `wrong number of arguments for '${full}' command`);
    }
    return subcommand.run(rest, client, parts);
  };
}

function helpReply(name: string, lines: readonly string[]): RespReply {
  return [
    `${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines,
    'HELP',
    '    Prints this help.',
  ];
}

/** A word of a command's grammar; the empty string for what is too long to be one. */
export function upperWord(bytes: Buffer): string {
  return bytes.byteLength > 64 ? '' : bytes.toString('latin1').toUpperCase();
}

export function takes(min: number, max = min): { readonly min: number; readonly max: number } {
  return { min, max };
}

export const syntaxError = new ReplyError('ERR', 'syntax error');
export const notAnInteger = new ReplyError('ERR', 'value is not an integer or out of range');

/** A whole number as Redis reads it, or undefined. */
export function integerOf(bytes: Buffer): number | undefined {
  const text = bytes.byteLength > 17 ? '' : bytes.toString('latin1');
  return /^(0|-?[1-9][0-9]*)$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}
