/**
 * The engine: every command of a shard, over an index, a hot tier and, if there is one, a journal.
 *
 * It has no socket, no clock and no disk of its own; all are given to it, so a test or an embedding program runs the
 * same code as the shard. A hit in RAM and a write acknowledged from memory are answered in the caller's tick;
 * a promise is made only where something must be waited for: room in the log, durability, a value below RAM.
 *
 *   execute → command table (arity) → family (…-commands.ts) → Keyspace → index, hot, journal
 *
 * The engine knows no topology: whether this shard owns a slot is checked by who calls it.
 */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { arityFault, type CommandSpec, commandTable } from '../../commands/table.ts';
import { KvcacheError } from '../../errors.ts';
import { expiryTickMs, expiryWorkPerTurnMax, indexEvictionsPerTurnMax } from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { HotTier } from '../hot/hot-tier.ts';
import type { Entry, EvictionLevel, Journal } from '../journal.ts';
import { blockCommands } from './block-commands.ts';
import { expiryCommands } from './expiry-commands.ts';
import { flushCommands } from './flush-command.ts';
import type { CommandHandler } from './handler.ts';
import { keyCommands } from './key-commands.ts';
import type { KeyIndex } from './key-index.ts';
import { Keyspace } from './keyspace.ts';
import type { KeyspaceOptions } from './keyspace-options.ts';
import { lockCommands } from './lock-commands.ts';
import { numericCommands } from './numeric-commands.ts';
import { objectCommands } from './object-commands.ts';
import { scanCommands } from './scan-command.ts';
import { setCommands } from './set-commands.ts';
import { stringCommands } from './string-commands.ts';
import { textCommands } from './text-commands.ts';
import { hashCommands } from './types/hash-commands.ts';
import { listCommands } from './types/list-commands.ts';
import { memberSetCommands } from './types/set-commands.ts';
import { sortedSetCommands } from './types/sorted-set-commands.ts';
import { valueCommands } from './value-commands.ts';
import { versionedCommands } from './versioned-commands.ts';

export interface EngineParts {
  readonly clock: Clock;
  readonly index: KeyIndex;
  readonly hot: HotTier;
  /** Absent: a cache in RAM alone. */
  readonly journal?: Journal | undefined;
  readonly options: KeyspaceOptions;
  /** Commands that are not the keyspace's: FLUSH, SHARDINFO. */
  readonly extraCommands?: ReadonlyMap<string, CommandHandler>;
}

export interface EngineStatistics {
  readonly keys: number;
  readonly blocks: number;
  readonly bytes: { readonly index: number; readonly hot: number; readonly hotLimit: number };
  readonly hotCopies: number;
  readonly reads: { readonly hot: number; readonly cold: number; readonly miss: number };
  /** Keys deleted, or for `copies` copies dropped, to make room. */
  readonly evictions: { readonly copies: number } & Readonly<Record<EvictionLevel, number>>;
  readonly expired: { readonly onAccess: number; readonly byWheel: number };
  /** Writes that wait for room in the log. */
  readonly waitingWrites: { readonly commands: number; readonly bytes: number };
  /** Commands done, by name. */
  readonly commands: Readonly<Record<string, number>>;
}

/** A command of this engine with its place in the table. */
interface Registered {
  readonly spec: CommandSpec;
  readonly handler: CommandHandler;
  calls: number;
}

/** Between two turns of the wheel when one turn did not get through. */
const expiryPauseMs = 1;

export class Engine implements Executor {
  /** For hand-over, which brings in records beside the commands. */
  readonly keyspace: Keyspace;
  readonly #commands = new Map<string, Registered>();
  #stopExpiry: () => void = () => undefined;
  #isClosed = false;

  constructor({ clock, index, hot, journal, options, extraCommands }: EngineParts) {
    this.keyspace = new Keyspace(clock, index, hot, journal, options);
    // Without a level below, what leaves RAM is gone; with one, only the copy is.
    if (journal === undefined) hot.onEvict = (entry) => index.remove(entry, 'ram');
    const families = [
      stringCommands,
      setCommands,
      textCommands,
      numericCommands,
      keyCommands,
      expiryCommands,
      versionedCommands,
      valueCommands,
      lockCommands,
      blockCommands,
      scanCommands,
      objectCommands,
      flushCommands,
      hashCommands,
      memberSetCommands,
      listCommands,
      sortedSetCommands,
    ];
    for (const family of families) {
      for (const [name, handler] of family(this.keyspace)) this.#register(name, handler);
    }
    for (const [name, handler] of extraCommands ?? []) this.#register(name, handler);
    this.#turnWheelIn(expiryTickMs);
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const registered = this.#commands.get(command.name);
    if (registered === undefined) return new ReplyError('ERR', `unknown command '${printable(command.name)}'`);
    const fault = arityFault(registered.spec, command.args.length);
    if (fault !== undefined) return new ReplyError('ERR', fault);
    if (this.#isClosed) return new ReplyError('SHUTDOWN', 'the shard is ending');
    registered.calls += 1;
    try {
      const reply = registered.handler(command.args, context);
      return reply instanceof Promise ? reply.catch(replyErrorOf) : reply;
    } catch (error) {
      return replyErrorOf(error);
    }
  }

  /** Takes a key out to free a level of storage. */
  evict(entry: Entry, level: EvictionLevel): void {
    this.keyspace.index.remove(entry, level);
  }

  /** A record of this time was seen: nothing is younger, whatever the clock says. */
  observeTime(timeMs: number): void {
    this.keyspace.observeTime(timeMs);
  }

  stats(): EngineStatistics {
    const { index, hot, counters, queue } = this.keyspace;
    return {
      keys: this.keyspace.countKeys(),
      blocks: index.blocks,
      bytes: { index: index.bytes, hot: hot.bytes, hotLimit: hot.limitBytes },
      hotCopies: hot.size,
      reads: { hot: counters.hotHits, cold: counters.coldHits, miss: counters.misses },
      evictions: { copies: hot.evictions, ...index.evicted },
      expired: { onAccess: counters.expiredOnAccess, byWheel: counters.expiredByWheel },
      waitingWrites: { commands: queue.length, bytes: queue.bytes },
      commands: Object.fromEntries([...this.#commands].map(([name, { calls }]) => [name, calls])),
    };
  }

  /** Stops timers, refuses the writes that wait and every later command. */
  close(): void {
    this.#isClosed = true;
    this.#stopExpiry();
    this.keyspace.queue.close();
  }

  #register(name: string, handler: CommandHandler): void {
    const spec = commandTable.get(name);
    if (spec === undefined) throw new Error(`${name} is not in the command table`);
    this.#commands.set(name, { spec, handler, calls: 0 });
  }

  #turnWheelIn(delayMs: number): void {
    this.#stopExpiry = this.keyspace.clock.after(delayMs, () => {
      const isDone = this.#turnWheel();
      if (!this.#isClosed) this.#turnWheelIn(isDone ? expiryTickMs : expiryPauseMs);
    });
  }

  #trimIndex(): void {
    try {
      this.keyspace.trimIndex(indexEvictionsPerTurnMax);
    } catch (error) {
      // Admitted, and then no room for the next segment: nothing was evicted.
      if (!(error instanceof KvcacheError)) throw error;
    }
  }

  #turnWheel(): boolean {
    const keyspace = this.keyspace;
    keyspace.lastUse.advance();
    // A log without room, or closed, is left alone: the next write or turn tries again.
    if (keyspace.queue.admitsNow(0)) this.#trimIndex();
    return keyspace.index.wheel.advance(keyspace.now(), expiryWorkPerTurnMax, (entry) => {
      keyspace.counters.expiredByWheel += 1;
      keyspace.forget(entry);
    });
  }
}

function printable(name: string): string {
  return name.slice(0, 128).replaceAll(/[^\x20-\x7e]/g, '?');
}
