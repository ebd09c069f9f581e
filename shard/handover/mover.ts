/**
 * Brings the values of opened slots over: those that somebody reads at once, all others in the background, warm ones
 * first, below a bound on bytes a second and on bytes in flight.
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
  handoverFetchesInFlightMax,
  timerMsMax,
} from '../../limits.ts';
import type { TopologyView } from '../../topology/holder.ts';
import { ownedMemory } from '../hot/owned.ts';
import type { Entry, StoredValue } from '../journal.ts';
import { deletionOf, type Keyspace } from '../keyspace/keyspace.ts';
import type { EntrySets } from '../log/entry-sets.ts';
import type { Storage } from '../storage/storage.ts';
import type { SlotStates } from './slot-states.ts';
import type { SourceLinks } from './source-links.ts';

/** About what a record takes in the log besides key and value. */
const recordOverheadBytes = 64;

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
  readonly #fetching = new Map<Entry, Promise<StoredValue | undefined>>();
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
    const value = await this.#fetch(entry);
    if (value === undefined) {
      await this.#giveUp(entry);
      throw new KvcacheError('UNAVAILABLE', 'the key was evicted while its slot moved');
    }
    // After the reader has seen that the entry is still the live one.
    setImmediate(() => void this.#arrive(entry, value).catch(() => undefined));
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
    const lane = async (): Promise<void> => {
      for (const entry of entries) {
        if (stop.aborted) return;
        if (!this.#isAway(entry) || passedOver.has(entry)) continue;
        await this.#moveOne(entry, stop).catch((error: unknown) => {
          if (!isOfOneValue(error) || passedOver.size === handoverFaultsPerPassMax) throw error;
          passedOver.set(entry, error);
        });
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

  async #moveOne(entry: Entry, stop: AbortSignal): Promise<void> {
    await this.#pace(entry.bodyBytes, stop);
    await this.#takeRoom(entry.bodyBytes);
    try {
      const value = await this.#fetch(entry).catch(goneIfCorrupt);
      if (value === undefined) await this.#giveUp(entry);
      else await this.#arrive(entry, value);
    } finally {
      this.#giveRoom(entry.bodyBytes);
    }
  }

  /** Concurrent fetches of one entry share one. Undefined: the source has the key no longer. */
  #fetch(entry: Entry): Promise<StoredValue | undefined> {
    const underWay = this.#fetching.get(entry);
    if (underWay !== undefined) return underWay;
    const fetching = this.#ask(entry).finally(() => this.#fetching.delete(entry));
    this.#fetching.set(entry, fetching);
    return fetching;
  }

  async #ask(entry: Entry): Promise<StoredValue | undefined> {
    const { topology, states, links } = this.#parts;
    const source = topology.slots.sourceOf(entry.slot);
    // The shard that had it was given up for lost; this one may be handing the slot on already.
    if (source === undefined || states.isDeparting(entry.slot)) return undefined;
    const args = [String(entry.space), String(entry.slot)].map((argument) => Buffer.from(argument));
    const key = Buffer.from(entry.key, 'latin1');
    const reply = await links.ask(source, 'HANDOVER.GET', [...args, key], entry.bodyBytes);
    if (reply === null) return undefined;
    const [meta, body] = Array.isArray(reply) ? reply : [];
    if (!Buffer.isBuffer(body)) throw new KvcacheError('ERR', 'HANDOVER.GET: the reply is no value');
    return { meta: Buffer.isBuffer(meta) ? ownedMemory(meta) : undefined, body: ownedMemory(body) };
  }

  async #arrive(entry: Entry, { meta, body }: StoredValue): Promise<void> {
    const { storage, keyspace, warm } = this.#parts;
    await storage.admit(recordOverheadBytes + entry.key.length + (meta?.byteLength ?? 0) + body.byteLength);
    if (!this.#isAway(entry)) return;
    const { space, key, slot, expireAtMs } = entry;
    const write = { space, key: Buffer.from(key, 'latin1'), slot, expireAtMs, meta, body };
    const [arrived] = storage.append([write]).entries;
    keyspace.installArrived(arrived!, { meta, body }, warm.has(entry) && this.#fitsIntoRam(body));
    this.counters.keys += 1;
    this.counters.bytes += body.byteLength;
  }

  /** Values that arrive push nothing out of RAM. */
  #fitsIntoRam(body: Buffer): boolean {
    const { hot } = this.#parts.keyspace;
    return hot.bytes + body.byteLength <= hot.limitBytes;
  }

  async #giveUp(entry: Entry): Promise<void> {
    const { storage, keyspace } = this.#parts;
    await storage.admit(recordOverheadBytes + entry.key.length);
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
function goneIfCorrupt(error: unknown): undefined {
  if (!(error instanceof KvcacheError) || error.code !== 'CORRUPT') throw error;
}
