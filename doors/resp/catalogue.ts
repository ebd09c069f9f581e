/**
 * Every command that this door knows: those of the command table that are Redis', which executors do, and those about
 * the connection and the process, which the door does itself. Found by the bytes of their names, in any case.
 */
import { NameTable } from '../../commands/name-table.ts';
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

export class Catalogue {
  /** In the order of their names. */
  readonly commands: readonly KnownCommand[];
  readonly #byName: NameTable<KnownCommand>;

  constructor(sessionCommands: readonly SessionCommand[]) {
    const own = sessionCommands.map((session): KnownCommand => known(session.name, undefined, session));
    const done = [...commandTable.values()]
      .filter(({ isOwn, name }) => isOwn !== true && !sessionCommands.some((session) => session.name === name))
      .map((spec): KnownCommand => known(spec.name, spec, undefined));
    this.commands = [...own, ...done].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#byName = new NameTable(this.commands, true);
  }

  /** The command whose name lies in bytes[from, to). */
  find(bytes: Uint8Array, from: number, to: number): KnownCommand | undefined {
    return this.#byName.find(bytes, from, to);
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
