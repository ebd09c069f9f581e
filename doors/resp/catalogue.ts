/**
 * Every command that this door knows: those of the command table that are Redis', which executors do, and those about
 * the connection and the process, which the door does itself. Found by the bytes of their names, in any case, without
 * making a string of them: a lookup is a hash of a few bytes and one comparison.
 */
import { type CommandSpec, commandTable } from '../../commands/table.ts';
import { nilArrayFrom } from './resp-reply.ts';
import type { SessionCommand } from './session/session-command.ts';

export interface KnownCommand {
  /** Upper case. */
  readonly name: string;
  /** Of commands that executors do. */
  readonly spec: CommandSpec | undefined;
  /** Of commands that this door does. */
  readonly session: SessionCommand | undefined;
  /** With so many arguments, its nil is one of an array. */
  readonly nilArrayFrom: number;
  /** Since the start: all, and those that were answered with an error. */
  calls: number;
  failures: number;
  /** Of every sixteenth call or so: how many, and how long they took together. */
  timedCalls: number;
  timedMs: number;
}

const bucketCount = 1_024;
/** The highest bit in which upper and lower case differ. */
const caseBit = 0x20;

export class Catalogue {
  /** In the order of their names. */
  readonly commands: readonly KnownCommand[];
  readonly #buckets: KnownCommand[][] = Array.from({ length: bucketCount }, () => []);

  constructor(sessionCommands: readonly SessionCommand[]) {
    const own = sessionCommands.map((session): KnownCommand => known(session.name, undefined, session));
    const done = [...commandTable.values()]
      .filter(({ isOwn, name }) => isOwn !== true && !sessionCommands.some((session) => session.name === name))
      .map((spec): KnownCommand => known(spec.name, spec, undefined));
    this.commands = [...own, ...done].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const command of this.commands) {
      const bytes = Buffer.from(command.name);
      this.#buckets[bucketOf(bytes, 0, bytes.byteLength)]!.push(command);
    }
  }

  /** The command whose name lies in bytes[from, to). */
  find(bytes: Uint8Array, from: number, to: number): KnownCommand | undefined {
    const bucket = this.#buckets[bucketOf(bytes, from, to)]!;
    for (const command of bucket) if (isNamed(command.name, bytes, from, to)) return command;
    return undefined;
  }

  /** By a name in any case. */
  named(name: Buffer): KnownCommand | undefined {
    return this.find(name, 0, name.byteLength);
  }

  resetStatistics(): void {
    for (const command of this.commands) {
      command.calls = 0;
      command.failures = 0;
      command.timedCalls = 0;
      command.timedMs = 0;
    }
  }
}

function known(name: string, spec: CommandSpec | undefined, session: SessionCommand | undefined): KnownCommand {
  return {
    name,
    spec,
    session,
    nilArrayFrom: nilArrayFrom.get(name) ?? Infinity,
    calls: 0,
    failures: 0,
    timedCalls: 0,
    timedMs: 0,
  };
}

function bucketOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  // No name is longer; what is cannot be one.
  const end = Math.min(to, from + 24);
  for (let at = from; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at]! & ~caseBit)) | 0;
  return (hash ^ (hash >>> 10)) & (bucketCount - 1);
}

function isNamed(name: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== name.length) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[from + index]!;
    const upper = byte >= 0x61 && byte <= 0x7a ? byte & ~caseBit : byte;
    if (upper !== name.charCodeAt(index)) return false;
  }
  return true;
}
