/**
 * Puts deltas together with their bases when a shard recovers. Hints and replayed segments come in any order, so deltas
 * are collected by key and joined to chains when everything else is in place.
 *
 * The newest value record of a key that nothing has buried is where its chain begins. A delta belongs to it if the
 * sequence that it names belongs to it; the newest of those is the key's state. Where a delta is damaged or missing, what
 * came after it cannot be told and is lost, and reported: the key is what it was before.
 *
 * A value record may have expired while a delta gave it more time: so expired value records are kept until the end too.
 */
import { slotCount } from '../../limits.ts';
import { Entry, type Space, spaceMax } from '../journal.ts';
import { SlotMap } from '../keyspace/slot-map.ts';
import type { HintEntry } from '../log/hint.ts';
import { previousOf } from '../log/hint.ts';

/** A record of a hint, with the segment that holds it. */
export interface LoadedRecord {
  readonly segment: number;
  readonly record: HintEntry;
}

export interface LoadedDelta extends LoadedRecord {
  readonly previous: number;
}

/** The deltas of a key. */
interface LoadedKey {
  readonly space: Space;
  readonly key: string;
  readonly deltas: LoadedDelta[];
}

export class LoadedChains {
  /** By space. */
  readonly #keys = Array.from({ length: spaceMax + 1 }, () => new SlotMap<LoadedKey>(({ key }) => key));

  add(segment: number, key: string, record: HintEntry): void {
    const { space, slot } = record;
    const delta = { segment, record, previous: previousOf(record.extra) };
    const known = this.#keys[space]!.get(slot, key);
    if (known === undefined) this.#keys[space]!.set(slot, key, { space, key, deltas: [delta] });
    else known.deltas.push(delta);
  }

  /** Every key that has deltas, once. */
  *all(): Generator<LoadedKey> {
    for (const keys of this.#keys) {
      for (let slot = 0; slot < slotCount; slot++) yield* keys.values(slot);
    }
  }
}

export interface JoinedChain {
  /** The state, or undefined if no delta belongs to the base. */
  readonly entry: Entry | undefined;
  /** True if deltas younger than that state are there, but not what they change. */
  readonly isCut: boolean;
}

/** Joins deltas that are younger than `base` to it. */
export function joinChain(base: Entry, younger: readonly LoadedDelta[]): JoinedChain {
  const bySequence = new Map<number, LoadedDelta>();
  let newest = base.sequence;
  const sorted = younger.toSorted((one, other) => one.record.sequence - other.record.sequence);
  for (const delta of sorted) {
    const { sequence } = delta.record;
    if (delta.previous !== base.sequence && !bySequence.has(delta.previous)) continue;
    bySequence.set(sequence, delta);
    newest = sequence;
  }
  const isCut = (sorted.at(-1)?.record.sequence ?? 0) > newest;
  const chain: LoadedDelta[] = [];
  for (let at = bySequence.get(newest); at !== undefined; at = bySequence.get(at.previous)) chain.unshift(at);
  return { entry: chain.length === 0 ? undefined : stateOf(base, chain), isCut };
}

function stateOf(base: Entry, chain: readonly LoadedDelta[]): Entry {
  const { record } = chain.at(-1)!;
  const bodyBytes = chain.reduce((sum, delta) => sum + delta.record.bodyBytes, base.bodyBytes);
  const { space, type, key, slot, segment, offset, recordBytes } = base;
  const { sequence, expireAtMs } = record;
  const entry = new Entry(space, type, key, slot, sequence, expireAtMs, bodyBytes, segment, offset, recordBytes);
  const deltas = chain.map((delta) => ({
    sequence: delta.record.sequence,
    segment: delta.segment,
    offset: delta.record.offset,
    recordBytes: delta.record.recordBytes,
    bodyBytes: delta.record.bodyBytes,
  }));
  entry.chain = { baseSequence: base.sequence, baseBodyBytes: base.bodyBytes, deltas };
  return entry;
}
