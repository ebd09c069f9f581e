/**
 * Brings the values of opened slots over: those that somebody reads at once, all others in the background, warm ones
 * first, many small ones by one command, below a bound on bytes a second and on bytes in flight.
 *
 * A value is installed only in the place of the away record it was fetched for: whoever has overwritten or deleted the
 * key meanwhile wins. A key that the source has lost to eviction meanwhile, or whose value it can read no longer, is gone
 * here too. A value that cannot come for now, because its shard must wait for Blob, is passed over until all others have
 * come: what concerns one value holds up no other.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError } from '../../errors.ts';
import {
  handoverFaultsPerPassMax,
  handoverFetchBytesInFlightMax,
  handoverFetchBytesMax,
  handoverFetchesInFlightMax,
  handoverFetchKeysMax,
  timerMsMax,
} from '../../limits.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { isStoredType, type StoredType } from '../../commands/stored-type.ts';
import type { TopologyView } from '../../topology/holder.ts';
import type { Entry, StoredValue } from '../journal.ts';
import { deletionOf, loggedBytes } from '../keyspace/change.ts';
import { keptValue } from '../keyspace/handler.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { EntrySets } from '../log/entry-sets.ts';
import type { Storage } from '../storage/storage.ts';
import type { SlotStates } from './slot-states.ts';
import { faultOfSource, type SourceLinks } from './source-links.ts';

export interface MoverParts {
  readonly topology: TopologyView;
  readonly states: SlotStates;
  readonly keyspace: Keyspace;
  readonly storage: Storage;
  readonly links: SourceLinks;
  readonly warm: EntrySets;
  /** Bytes a second that may come in the background. */
  readonly bandwidth: () => number;
}

/** A value as its source has it. */
interface FetchedValue extends StoredValue {
  readonly type: StoredType;
  readonly expireAtMs: number;
}

/** What became of a fetch: undefined if the source has the key no longer. */
type Fetched = FetchedValue | undefined;

export interface MoverCounters {
  /** Values that have come, and their bytes. */
  keys: number;
  bytes: number;
  /** Keys that were gone where they should have come from, or damaged. */
  gone: number;
}

export class Mover {
  readonly counters: MoverCounters = { keys: 0, bytes: 0, gone: 0 };
  readonly #parts: MoverParts;
  readonly #fetching = new Map<Entry, Promise<Fetched>>();
  #bytesInFlight = 0;
  #roomWaiters: (() => void)[] = [];
  #nextAtMs = 0;

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  /** Bytes of values that are being fetched in the background. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** The value of an away entry, for a reader. Rejects with UNAVAILABLE while the shard that has it is away. */
  async read(entry: Entry): Promise<StoredValue> {
    const [fetching] = this.#fetch([entry]);
    const value = await fetching;
    if (value === undefined) {
      await this.#giveUp(entry);
      throw new KvcacheError('UNAVAILABLE', 'the key was evicted while its slot moved');
    }
    if (value.type !== entry.type) {
      // The source has lost what it listed and has an older value: the reader must begin with the entry that this makes.
      await this.#arrive([{ entry, value }]);
      throw new KvcacheError('UNAVAILABLE', 'the value is an older one than was listed; try again');
    }
    // After the reader has seen that the entry is still the live one.
    setImmediate(() => void this.#arrive([{ entry, value }]).catch(() => undefined));
    return value;
  }

  /** Moves the values of these slots. Rejects when a source cannot be asked or the log takes nothing. */
  async moveAll(slots: readonly number[], signal: AbortSignal): Promise<void> {
    const passedOver = new Map<Entry, unknown>();
    await this.#move(this.#warmOf(slots), passedOver, signal);
    await this.#move(this.#awayOf(slots), passedOver, signal);
    for (const fault of passedOver.values()) throw fault;
    for (const slot of slots) this.#parts.warm.deleteSlot(slot);
  }

  *#warmOf(slots: readonly number[]): Generator<Entry> {
    for (const slot of slots) yield* this.#parts.warm.of(slot);
  }

  *#awayOf(slots: readonly number[]): Generator<Entry> {
    for (const slot of slots) yield* this.#parts.storage.log.live.awayOf(slot);
  }

  async #move(entries: Generator<Entry>, passedOver: Map<Entry, unknown>, signal: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const left = this.#batches(entries, passedOver);
    const lane = async (): Promise<void> => {
      for (const batch of left) {
        if (stop.aborted) return;
        await this.#moveBatch(batch, passedOver, stop);
      }
    };
    const lanes = Array.from({ length: handoverFetchesInFlightMax }, lane);
    // One lane that fails ends the others, and all have ended when this does.
    for (const each of lanes) each.catch(() => failed.abort());
    const results = await Promise.allSettled(lanes);
    signal.throwIfAborted();
    const faults = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []));
    // Lanes that only waited for their time have ended with the one that failed.
    const fault = faults.find((reason) => !isAbort(reason));
    if (fault !== undefined) throw fault;
  }

  /** Entries that are still away, so many at a time as one command fetches. */
  *#batches(entries: Generator<Entry>, passedOver: ReadonlyMap<Entry, unknown>): Generator<readonly Entry[]> {
    let batch: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (!this.#isAway(entry) || passedOver.has(entry)) continue;
      // A tenth of a second's worth at most: a batch begins as a whole when its time has come.
      const bytesMax = Math.min(handoverFetchBytesMax, this.#parts.bandwidth() / 10);
      const isFull = batch.length === handoverFetchKeysMax || bytes + entry.bodyBytes > bytesMax;
      if (isFull && batch.length > 0) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(entry);
      bytes += entry.bodyBytes;
    }
    if (batch.length > 0) yield batch;
  }

  async #moveBatch(batch: readonly Entry[], passedOver: Map<Entry, unknown>, stop: AbortSignal): Promise<void> {
    const bytes = bytesOf(batch);
    await this.#pace(bytes, stop);
    await this.#takeRoom(bytes);
    try {
      const results = await Promise.allSettled(this.#fetch(batch));
      const arrived: { entry: Entry; value: FetchedValue }[] = [];
      let fault: unknown;
      for (const [place, result] of results.entries()) {
        const entry = batch[place]!;
        if (result.status === 'fulfilled' && result.value !== undefined) arrived.push({ entry, value: result.value });
        else if (result.status === 'fulfilled' || isCorrupt(result.reason)) await this.#giveUp(entry);
        else if (isOfOneValue(result.reason) && passedOver.size < handoverFaultsPerPassMax)
          passedOver.set(entry, result.reason);
        else fault ??= result.reason;
      }
      await this.#arrive(arrived);
      if (fault !== undefined) throw fault;
    } finally {
      this.#giveRoom(bytes);
    }
  }

  /** A promise for each entry, in order. Concurrent fetches of one entry share one. */
  #fetch(entries: readonly Entry[]): Promise<Fetched>[] {
    const fresh = entries.filter((entry) => !this.#fetching.has(entry));
    for (const [source, asked] of Map.groupBy(fresh, (entry) => this.#sourceOf(entry))) {
      const replies = source === undefined ? Promise.resolve([]) : this.#ask(source, asked);
      for (const [place, entry] of asked.entries()) {
        const fetching = replies
          .then((items) => fetchedOf(items[place] ?? null))
          .finally(() => this.#fetching.delete(entry));
        this.#fetching.set(entry, fetching);
      }
    }
    return entries.map((entry) => this.#fetching.get(entry)!);
  }

  /** Undefined: the shard that had it was given up for lost, or this one hands the slot on already. */
  #sourceOf(entry: Entry): string | undefined {
    const { topology, states } = this.#parts;
    return states.isDeparting(entry.slot) ? undefined : topology.slots.sourceOf(entry.slot);
  }

  async #ask(source: string, entries: readonly Entry[]): Promise<readonly Reply[]> {
    const args = entries.flatMap(({ space, slot, key }) => [
      Buffer.from(String(space)),
      Buffer.from(String(slot)),
      Buffer.from(key, 'latin1'),
    ]);
    const reply = await this.#parts.links.ask(source, 'HANDOVER.GET', args, bytesOf(entries));
    if (Array.isArray(reply) && reply.length === entries.length) return reply;
    throw new KvcacheError('ERR', `HANDOVER.GET: the reply has not ${entries.length} items`);
  }

  /** Puts values in the place of the away records that they were fetched for. */
  async #arrive(values: readonly { readonly entry: Entry; readonly value: FetchedValue }[]): Promise<void> {
    const { storage, keyspace, warm } = this.#parts;
    if (values.length === 0) return;
    let bytes = 0;
    for (const { entry, value } of values) bytes += loggedBytes({ key: entry.key, meta: value.meta, body: value.body });
    await storage.admit(bytes);
    for (const { entry, value } of values) {
      if (!this.#isAway(entry)) continue;
      const { space, key, slot } = entry;
      const { type, meta, body, expireAtMs } = value;
      const [arrived] = storage.append([
        { space, type, key: Buffer.from(key, 'latin1'), slot, expireAtMs, meta, body },
      ]).entries;
      keyspace.installArrived(arrived!, { type, meta, body }, warm.has(entry) && this.#fitsIntoRam(body));
      this.counters.keys += 1;
      this.counters.bytes += body.byteLength;
    }
  }

  /** Values that arrive push nothing out of RAM. */
  #fitsIntoRam(body: Buffer): boolean {
    const { hot } = this.#parts.keyspace;
    return hot.bytes + body.byteLength <= hot.limitBytes;
  }

  async #giveUp(entry: Entry): Promise<void> {
    const { storage, keyspace } = this.#parts;
    await storage.admit(loggedBytes(entry));
    if (!this.#isAway(entry)) return;
    storage.append([deletionOf(entry)]);
    keyspace.forget(entry);
    this.counters.gone += 1;
  }

  #isAway(entry: Entry): boolean {
    const { keyspace, storage } = this.#parts;
    return storage.isAway(entry) && keyspace.index.findInSlot(entry.space, entry.slot, entry.key) === entry;
  }

  /** Waits until the bytes before these have had their time. */
  async #pace(bytes: number, stop: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    const beginAtMs = Math.max(nowMs, this.#nextAtMs);
    const timeMs = (bytes / this.#parts.bandwidth()) * 1_000;
    this.#nextAtMs = beginAtMs + timeMs;
    if (beginAtMs - nowMs < 1) return;
    try {
      await delay(Math.min(beginAtMs - nowMs, timerMsMax), undefined, { signal: stop });
    } catch (error) {
      // Its time is free for others.
      this.#nextAtMs -= timeMs;
      throw error;
    }
  }

  /** A value above the bound travels alone. */
  async #takeRoom(bytes: number): Promise<void> {
    while (this.#bytesInFlight > 0 && this.#bytesInFlight + bytes > handoverFetchBytesInFlightMax) {
      await new Promise<void>((resolve) => void this.#roomWaiters.push(resolve));
    }
    this.#bytesInFlight += bytes;
  }

  #giveRoom(bytes: number): void {
    this.#bytesInFlight -= bytes;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}

function isAbort(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'AbortError';
}

/** Faults after which other values can still come. */
const faultsOfOneValue: ReadonlySet<string> = new Set(['BLOBDOWN', 'TIMEOUT', 'TOOLARGE', 'ERR']);

function isOfOneValue(error: unknown): boolean {
  return error instanceof KvcacheError && faultsOfOneValue.has(error.code);
}

/** As where it lies: what nobody can read any more is evicted. */
function isCorrupt(error: unknown): boolean {
  return error instanceof KvcacheError && error.code === 'CORRUPT';
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
}

/** An item of the reply: layout in source.ts. Throws its error. */
function fetchedOf(item: Reply): Fetched {
  if (item === null) return undefined;
  if (item instanceof ReplyError) throw faultOfSource(item);
  const [expireAtMs, type, meta, body] = Array.isArray(item) ? item : [];
  if (typeof expireAtMs !== 'number' || !isStoredType(type) || !Buffer.isBuffer(body)) {
    throw new KvcacheError('ERR', 'HANDOVER.GET: the reply is no value');
  }
  return { expireAtMs, type, meta: Buffer.isBuffer(meta) ? meta : undefined, body: keptValue(body) };
}
