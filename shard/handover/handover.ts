/**
 * Hand-over of slots, seen from one shard: what it gets and what it gives, all driven by the topology in force.
 *
 *   topology says                                this shard
 *   ───────────────────────────────────────────  ─────────────────────────────────────────────────────────────────
 *   a slot is mine, with a source                opens it (opener.ts), moves its values here (mover.ts), flushes, and
 *                                                then reports `hasArrived` for this epoch
 *   a slot is another's, I am its source         takes no writes for it, answers who fetches (source.ts)
 *   a slot is another's                          drops what it has of it (dropper.ts)
 *   a slot is mine, without a source             serves it; marks and away records that are left from a hand-over go. If it
 *                                                was given up before it was open: it is emptied first
 *
 * Whatever is under way for one epoch ends with the next and begins again from what the log and the slot states say, so
 * a crash at any point and a topology that moves on are one case. Who publishes topologies: topology/change.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError, messageOf } from '../../errors.ts';
import {
  handoverListsInFlightMax,
  handoverRetryDelayMaxMs,
  handoverRetryDelayMinMs,
  slotCount,
  timerMsMax,
} from '../../limits.ts';
import type { TopologyView } from '../../topology/holder.ts';
import { type Entry, spaceOfMarks } from '../journal.ts';
import { EntrySets } from '../log/entry-sets.ts';
import { deletionOf } from '../keyspace/change.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Storage } from '../storage/storage.ts';
import { Dropper } from './dropper.ts';
import { markName, Opener } from './opener.ts';
import { Mover } from './mover.ts';
import type { DurableTopology } from './source.ts';
import type { SlotStates } from './slot-states.ts';
import { type OpenLink, SourceLinks } from './source-links.ts';

export interface HandoverLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface HandoverParts {
  readonly topology: TopologyView & DurableTopology;
  readonly states: SlotStates;
  readonly keyspace: Keyspace;
  readonly storage: Storage;
  readonly openLink: OpenLink;
  readonly hasBlob: boolean;
  readonly bandwidth: () => number;
  readonly logger: HandoverLogger;
}

export interface HandoverReport {
  /** Everything that was to come at the epoch in force is here, as safe as it was where it came from. */
  readonly hasArrived: boolean;
  readonly slotsArriving: number;
  /** Of these, the ones that are served already. */
  readonly slotsOpen: number;
  readonly slotsDeparting: number;
  /** Of the slots that are served: keys whose values have not come, and the bytes of these. */
  readonly keysLeft: number;
  readonly bytesLeft: number;
  /** Since the start of the process. */
  readonly keysMoved: number;
  readonly bytesMoved: number;
}

/** Deletions of marks and of what was given up are written so many at a time. */
const deletionsPerStep = 1_000;

export class Handover {
  readonly #parts: HandoverParts;
  readonly #links: SourceLinks;
  /** Entries whose values had a copy in RAM where they come from: they are moved first, and get a copy here. */
  readonly #warm = new EntrySets();
  readonly #opener: Opener;
  readonly #mover: Mover;
  readonly #dropper: Dropper;
  readonly #stopFollowing: () => void;
  #run = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #arrivedEpoch = -1;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
    const { topology, states, keyspace, storage, logger } = parts;
    this.#links = new SourceLinks(topology, parts.openLink);
    this.#dropper = new Dropper(keyspace.index, storage, (error) =>
      logger.warn({ error: messageOf(error) }, 'slots that have gone cannot be dropped; trying again'),
    );
    const common = { topology, states, keyspace, storage, links: this.#links, warm: this.#warm };
    this.#opener = new Opener({ ...common, dropped: () => this.#dropper.idle() });
    this.#mover = new Mover({ ...common, bandwidth: parts.bandwidth });
    storage.fetchAway = (entry) => this.#mover.read(entry);
    for (let slot = 0; slot < slotCount; slot++) {
      const mark = keyspace.index.markOf(slot);
      if (mark?.key === markName(slot, topology.slots.sinceOf(slot))) states.open(slot);
    }
    this.#follow();
    this.#stopFollowing = topology.onChange(() => this.#follow());
  }

  /**
   * Resolves when these slots are served, opening them before others. Rejects with KvcacheError TRYAGAIN, UNAVAILABLE,
   * or TIMEOUT when `deadlineMs` (wall clock) comes first.
   */
  async ready(slots: readonly number[], deadlineMs: number): Promise<void> {
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const expire = (): void =>
      reject(
        new KvcacheError('TIMEOUT', 'the slot was not open before the deadline; it is arriving from another shard'),
      );
    const timer = setTimeout(expire, Math.min(Math.max(0, deadlineMs - Date.now()), timerMsMax)).unref();
    try {
      await Promise.race([inLanes(slots, async (slot) => this.#openWhenBegun(slot, deadlineMs)), expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  report(): HandoverReport {
    const { states, storage, topology } = this.#parts;
    const arriving = [...states.arriving().values()].flat();
    const counts = states.counts();
    const { count, bytes } = storage.log.live.away;
    return {
      hasArrived: this.#arrivedEpoch === topology.slots.epoch,
      slotsArriving: arriving.length,
      slotsOpen: arriving.filter((slot) => !states.isClosed(slot)).length,
      slotsDeparting: counts.departing,
      keysLeft: count,
      bytesLeft: bytes,
      keysMoved: this.#mover.counters.keys,
      bytesMoved: this.#mover.counters.bytes,
    };
  }

  /** Bytes of values on their way here in the background. */
  get bytesInFlight(): number {
    return this.#mover.bytesInFlight;
  }

  /** Slots whose keys were dropped because they are another shard's. */
  get slotsDropped(): number {
    return this.#dropper.dropped;
  }

  async close(): Promise<void> {
    this.#stopFollowing();
    this.#run.abort();
    this.#links.keep(new Set());
    await Promise.allSettled([this.#running, this.#dropper.close()]);
  }

  /** A source that does not run the epoch yet will in a moment: links carry topologies too. */
  async #openWhenBegun(slot: number, deadlineMs: number): Promise<void> {
    for (let delayMs = handoverRetryDelayMinMs; ; delayMs = Math.min(2 * delayMs, handoverRetryDelayMaxMs)) {
      try {
        await this.#opener.open(slot);
        return;
      } catch (error) {
        const isLate = error instanceof KvcacheError && error.code === 'TRYAGAIN';
        if (!isLate || Date.now() + delayMs >= deadlineMs) throw error;
        await delay(delayMs);
      }
    }
  }

  #follow(): void {
    const { states, topology } = this.#parts;
    this.#run.abort();
    this.#run = new AbortController();
    const { signal } = this.#run;
    const { epoch } = topology.slots;
    const arriving = states.arriving();
    this.#links.keep(new Set(arriving.keys()));
    const foreign = states.departing().filter((slot) => !states.isDeparting(slot));
    this.#dropper.drop(foreign, (slot) => !states.serves(slot) && !states.isDeparting(slot) && !states.isClosed(slot));
    this.#running = this.#running
      .then(() => this.#untilDone('', signal, () => this.#tidy(signal)))
      .then(() => this.#empty(states.orphaned(), signal))
      .then(() => Promise.all([...arriving].map(([source, slots]) => this.#receive(source, slots, signal))))
      .then(async () => {
        if (arriving.size > 0) await this.#makeSafe(signal);
        if (!signal.aborted) this.#arrivedEpoch = epoch;
      })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#parts.logger.warn({ error: messageOf(error) }, 'a hand-over has stopped');
      });
  }

  /** Opens slots that nobody hands over: what is left in them of an earlier time goes. */
  async #empty(slots: readonly number[], signal: AbortSignal): Promise<void> {
    if (slots.length === 0 || signal.aborted) return;
    this.#parts.logger.warn({ slots: slots.length }, 'slots are empty: the shard that had them was given up for lost');
    await this.#untilDone('', signal, () => this.#openAll(slots, signal));
  }

  /** Opens and moves everything that one source holds; tries again until it is done or the topology goes on. */
  async #receive(source: string, slots: readonly number[], signal: AbortSignal): Promise<void> {
    const { logger } = this.#parts;
    logger.info({ source, slots: slots.length }, 'slots arrive');
    await this.#untilDone(source, signal, async () => {
      await this.#openAll(slots, signal);
      await this.#mover.moveAll(slots, signal);
      this.#assertHere(slots);
    });
    if (!signal.aborted) logger.info({ source, slots: slots.length, ...this.#mover.counters }, 'slots have arrived');
  }

  /** What the source may forget soon is worth a look at the facts, whatever led here. */
  #assertHere(slots: readonly number[]): void {
    const { states, storage } = this.#parts;
    const missing = slots.find((slot) => !states.serves(slot) || storage.log.live.hasAway(slot));
    if (missing !== undefined) throw new KvcacheError('TRYAGAIN', `slot ${missing} has not arrived whole`);
  }

  async #untilDone(source: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    let delayMs = handoverRetryDelayMinMs;
    let reported = '';
    while (!signal.aborted) {
      try {
        await work();
        return;
      } catch (error) {
        if (signal.aborted) return;
        // This shard ends or is fenced: nothing has arrived, and nobody may be told so.
        if (isOver(error)) throw error;
        const reason = messageOf(error);
        if (delayMs === handoverRetryDelayMaxMs && reason !== reported) {
          this.#parts.logger.warn({ source, reason }, 'slots cannot arrive; trying again');
          reported = reason;
        }
        await delay(delayMs, undefined, { ref: false });
        delayMs = Math.min(2 * delayMs, handoverRetryDelayMaxMs);
      }
    }
  }

  async #openAll(slots: readonly number[], signal: AbortSignal): Promise<void> {
    await inLanes(slots, async (slot) => {
      signal.throwIfAborted();
      await this.#opener.open(slot);
    });
  }

  /** What has come must be at least as safe here as it was there before that shard may forget it. */
  async #makeSafe(signal: AbortSignal): Promise<void> {
    const { storage, hasBlob } = this.#parts;
    await this.#untilDone('', signal, () => unlessAborted(storage.flush(hasBlob ? 'blob' : 'disk'), signal));
  }

  /**
   * After a hand-over: marks of slots that have arrived go, and so do keys whose values never came because their source
   * was given up for lost.
   */
  async #tidy(signal: AbortSignal): Promise<void> {
    const { keyspace, topology, states, storage, logger } = this.#parts;
    let lost = 0;
    let batch: Entry[] = [];
    for (let slot = 0; slot < slotCount && !signal.aborted; slot++) {
      if (!states.serves(slot) || topology.slots.sourceOf(slot) !== undefined) continue;
      this.#warm.deleteSlot(slot);
      for (const entry of storage.log.live.awayOf(slot)) {
        lost += 1;
        if (batch.push(entry) < deletionsPerStep) continue;
        await this.#delete(batch);
        batch = [];
      }
      const mark = keyspace.index.markOf(slot);
      if (mark !== undefined) batch.push(mark);
    }
    await this.#delete(batch);
    if (lost > 0) logger.warn({ keys: lost }, 'keys are gone: the shard that had their values was given up for lost');
  }

  /** Deletes those of these marks and away records that are still the live ones. */
  async #delete(entries: readonly Entry[]): Promise<void> {
    const { keyspace, storage } = this.#parts;
    if (entries.length > 0) await storage.admit(entries.length * deletionBytes);
    const live = entries.filter((entry) => keyspace.index.findInSlot(entry.space, entry.slot, entry.key) === entry);
    const stale = live.filter((entry) => entry.space === spaceOfMarks || storage.isAway(entry));
    if (stale.length > 0) storage.append(stale.map(deletionOf));
    for (const entry of stale) keyspace.forget(entry);
  }
}

/** About what a tombstone takes in the log. */
const deletionBytes = 128;

/** Nobody will let it go on: the shard ends, is fenced, or the topology has gone on. */
function isOver(error: unknown): boolean {
  if (error instanceof Error && error.name === 'AbortError') return true;
  return error instanceof KvcacheError && (error.code === 'SHUTDOWN' || error.code === 'FENCED');
}

/** Does the work for every slot, for a few at once. Rejects with the first fault, when nothing is under way any more. */
async function inLanes(slots: readonly number[], work: (slot: number) => Promise<void>): Promise<void> {
  const waiting = slots.values();
  let fault: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (const slot of waiting) {
      if (fault !== undefined) return;
      await work(slot).catch((error: unknown) => {
        fault ??= { error };
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(slots.length, handoverListsInFlightMax) }, lane));
  if (fault !== undefined) throw fault.error;
}

/** The same, but nobody waits beyond the abort. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
