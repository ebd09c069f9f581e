/**
 * Opens slots that this shard has got from another one.
 *
 *   BEGIN at the source ─▶ what an earlier attempt left is dropped ─▶ pages of the slot's list become away records
 *                                                                  ─▶ with the last page the slot's mark ─▶ served
 *
 * The mark says that all keys of the slot are listed. Without it (a crash came between) nothing has been written into
 * the slot here, so it is listed again from the start; with it, what the log says of the slot is the truth, and a key
 * that was deleted here since does not come back. Marks are records of the log, hence they survive what it survives. The
 * mark and the last page are one group of records, and the pages before are on the disk by then, so that no crash leaves
 * a mark without them.
 *
 * From its opening on, the index answers everything but values: no read asks two shards, and a scan shows each key
 * once. Rejected: tombstones for keys that the source may still have, which every level of storage would have to keep
 * while the hand-over lasts, and scans and lookups that merge two shards.
 */
import { KvcacheError } from '../../errors.ts';
import type { TopologyView } from '../../topology/holder.ts';
import { type JournalWrite, spaceOfMarks } from '../journal.ts';
import { nameOf } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { EntrySets } from '../log/entry-sets.ts';
import type { Storage } from '../storage/storage.ts';
import { listedKeys, type ListedKey } from './listing.ts';
import type { SlotStates } from './slot-states.ts';
import type { DurableTopology } from './source.ts';
import type { SourceLinks } from './source-links.ts';

/** About what an away record takes in the log besides its key. */
const awayRecordBytes = 64;

export interface OpenerParts {
  readonly topology: TopologyView & DurableTopology;
  readonly states: SlotStates;
  readonly keyspace: Keyspace;
  readonly storage: Storage;
  readonly links: SourceLinks;
  readonly warm: EntrySets;
  /** Resolves when slots that this shard had before are dropped, for one of them may be this. */
  readonly dropped: () => Promise<void>;
}

export class Opener {
  readonly #parts: OpenerParts;
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #begun = new Map<string, { readonly epoch: number; readonly begun: Promise<void> }>();

  constructor(parts: OpenerParts) {
    this.#parts = parts;
  }

  /** Resolves when the slot is served. Rejects with KvcacheError TRYAGAIN, UNAVAILABLE or MOVED, or as the log does. */
  open(slot: number): Promise<void> {
    const underWay = this.#underWay.get(slot);
    if (underWay !== undefined) return underWay;
    const opening = this.#open(slot).finally(() => this.#underWay.delete(slot));
    this.#underWay.set(slot, opening);
    return opening;
  }

  async #open(slot: number): Promise<void> {
    const { topology, states, keyspace, storage, dropped } = this.#parts;
    if (!states.isClosed(slot)) return;
    const source = topology.slots.sourceOf(slot);
    const since = topology.slots.sinceOf(slot);
    // By an older topology than its data's this shard could not start again.
    await topology.persisted();
    if (source !== undefined) await this.#begin(source);
    await dropped();
    this.#assertStill(slot, source, since);
    if (!keyspace.index.isEmptySlot(slot)) await storage.dropSlots([slot]);
    if (source !== undefined) await this.#list(slot, source, since);
    this.#assertStill(slot, source, since);
    states.open(slot);
  }

  /** Away records for all that the source has of the slot, and the slot's mark. */
  async #list(slot: number, source: string, since: number): Promise<void> {
    const { storage } = this.#parts;
    let cursor: Buffer = Buffer.alloc(0);
    do {
      const args = [decimal(slot), cursor, Buffer.from(this.#parts.states.shard)];
      const [next, page] = pageOf(await this.#parts.links.ask(source, 'HANDOVER.LIST', args));
      const listed = listedKeys(page);
      await storage.admit(page.byteLength + listed.length * awayRecordBytes);
      // A disk that loses power may keep what came last and lose what came before: the mark must not outlive a page.
      const isLastOfMany = next.byteLength === 0 && cursor.byteLength > 0;
      if (isLastOfMany) await storage.log.synced(storage.log.position());
      this.#assertStill(slot, source, since);
      this.#install(slot, listed, next.byteLength === 0);
      cursor = next;
    } while (cursor.byteLength > 0);
  }

  /** Once an epoch for each source. */
  async #begin(source: string): Promise<void> {
    const { epoch } = this.#parts.topology.slots;
    let known = this.#begun.get(source);
    if (known?.epoch !== epoch) {
      const begun = this.#parts.links.ask(source, 'HANDOVER.BEGIN', [decimal(epoch)]).then(() => undefined);
      known = { epoch, begun };
      this.#begun.set(source, known);
      begun.catch(() => this.#begun.delete(source));
    }
    await known.begun;
  }

  #install(slot: number, listed: readonly ListedKey[], isLast: boolean): void {
    const { keyspace, storage, warm } = this.#parts;
    const writes: JournalWrite[] = listed.map(({ space, type, key, expireAtMs, bodyBytes }) => ({
      space,
      type,
      key,
      slot,
      expireAtMs,
      awayBytes: bodyBytes,
    }));
    if (isLast) writes.push(markOf(slot, this.#parts.topology.slots.sinceOf(slot)));
    if (writes.length === 0) return;
    const { entries } = storage.append(writes);
    for (const [place, entry] of entries.entries()) {
      keyspace.installArrived(entry!, undefined, false);
      if (listed[place]?.isWarm) warm.add(entry!);
    }
  }

  /** The topology may have gone on while a reply was on its way. */
  #assertStill(slot: number, source: string | undefined, since: number): void {
    const { slots } = this.#parts.topology;
    const isStill = this.#parts.states.isClosed(slot) && slots.sourceOf(slot) === source;
    if (!isStill || slots.sinceOf(slot) !== since) {
      throw new KvcacheError('TRYAGAIN', `slot ${slot} has moved on while it was being opened; try again`);
    }
  }
}

/** The record that says that a slot's keys are all listed. */
function markOf(slot: number, since: number): JournalWrite {
  return { space: spaceOfMarks, key: markKey(slot, since), slot, expireAtMs: 0, body: Buffer.alloc(0) };
}

/** The slot, and the epoch since which it is this shard's: a mark of an earlier time means nothing. */
function markKey(slot: number, since: number): Buffer {
  const key = Buffer.alloc(6);
  key.writeUInt16BE(slot);
  key.writeUInt32BE(since, 2);
  return key;
}

/** A mark's name in the index. */
export function markName(slot: number, since: number): string {
  return nameOf(markKey(slot, since));
}

function decimal(value: number): Buffer {
  return Buffer.from(String(value));
}

function pageOf(reply: unknown): [Buffer, Buffer] {
  if (Array.isArray(reply) && Buffer.isBuffer(reply[0]) && Buffer.isBuffer(reply[1])) return [reply[0], reply[1]];
  throw new KvcacheError('ERR', 'HANDOVER.LIST: the reply is no page of a list');
}
