/**
 * Chains: a base record and the deltas behind it, as an entry of the index knows them.
 *
 *   base 10 ◀─ delta 14 ◀─ delta 15 ◀─ delta 22        entry 22: place of the base, chain [14, 15, 22]
 *
 * A delta names the sequence before it, not its base: so a base that compaction has made of base and deltas up to 15,
 * with sequence 15, takes their place under delta 22 without that being written again, wherever it lies in the log.
 *
 * Compaction never copies a delta. Where it meets a part of a chain it writes base and deltas as one new base; so does
 * eviction where the chain goes on in a younger segment. What it read while the key was written is an earlier state of
 * the chain, and becomes the base under the deltas that have come since.
 */
import type { Chain, DeltaPlace, Entry } from '../journal.ts';

/** The chain of a state that a delta makes of `entry`. */
export function chainWith(entry: Entry, delta: DeltaPlace): Chain {
  const { chain } = entry;
  if (chain === undefined) return { baseSequence: entry.sequence, baseBodyBytes: entry.bodyBytes, deltas: [delta] };
  return { ...chain, deltas: [...chain.deltas, delta] };
}

/** What is left of the entry's chain when everything up to `sequence` is one base. */
export function chainBehind(entry: Entry, sequence: number, baseBodyBytes: number): Chain | undefined {
  const deltas = entry.chain?.deltas.filter((delta) => delta.sequence > sequence) ?? [];
  return deltas.length === 0 ? undefined : { baseSequence: sequence, baseBodyBytes, deltas };
}

/** The sequence of the record at the entry's place. */
export function baseSequenceOf(entry: Entry): number {
  return entry.chain?.baseSequence ?? entry.sequence;
}

/** True if the entry's base or one of its deltas begins at this place. */
export function liesAt(entry: Entry, segment: number, offset: number): boolean {
  if (entry.segment === segment && entry.offset === offset) return true;
  return entry.chain?.deltas.some((delta) => delta.segment === segment && delta.offset === offset) ?? false;
}

/** True if the entry's base, or one of its deltas, lies in the segment. Parts of a large base are not looked at. */
export function liesIn(entry: Entry, segment: number): boolean {
  return entry.segment === segment || (entry.chain?.deltas.some((delta) => delta.segment === segment) ?? false);
}
