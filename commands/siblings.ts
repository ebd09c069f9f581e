/**
 * The versions of one key that nobody has brought together yet, as they are stored: under the type `versioned` as the
 * key's value, and where all of them are deletions under the type `tombstone` beside the key, which is not there.
 *
 *   siblings(2), the newest first:  type(1)  clock (vector-clock.ts)  length(4) body
 *
 * A sibling's type is that of its value, or `tombstone` for a deletion.
 *
 * A write carries what its writer has seen, and takes the place of the siblings that this descends from; the others
 * stay. Its own clock is what the writer has seen with the counter of the node that takes the write set to one more than
 * the node has ever given for this key. On one node two siblings' clocks are therefore never equal, though the later one
 * looks as if it had seen the earlier: a writer who has read only the later one resolves both.
 */
import { type StoredType, storedTypes } from './stored-type.ts';
import { decodeClock, descends, encodeClock, mergeClocks, type VectorClock, withCounter } from './vector-clock.ts';

export interface Sibling {
  readonly type: StoredType;
  readonly clock: VectorClock;
  /** As it is stored under its type; empty for a deletion. */
  readonly body: Buffer;
}

export function isDeletion({ type }: Sibling): boolean {
  return type === storedTypes.tombstone;
}

/** The newest value, or undefined if all are deletions. */
export function newestValue(siblings: readonly Sibling[]): Sibling | undefined {
  return siblings.find((sibling) => !isDeletion(sibling));
}

/** A stored value as those know it who know no versions: of siblings the newest. */
export function withoutVersions(type: StoredType, body: Buffer): { readonly type: StoredType; readonly body: Buffer } {
  return type === storedTypes.versioned ? newestValue(decodeSiblings(body))! : { type, body };
}

export interface Superseded {
  /** Siblings that the write does not know of, the newest first. */
  readonly kept: readonly Sibling[];
  /** The clock of the write. */
  readonly clock: VectorClock;
}

/** What a write at `node` makes of the siblings. `seen` is what its writer has seen; undefined: all there is. */
export function supersede(siblings: readonly Sibling[], seen: VectorClock | undefined, node: string): Superseded {
  const all = mergeClocks(siblings.map(({ clock }) => clock));
  const base = seen ?? all;
  const counters = [all, base].map((clock) => clock.get(node) ?? 0n);
  const last = counters[0]! > counters[1]! ? counters[0]! : counters[1]!;
  return {
    kept: siblings.filter(({ clock }) => !descends(base, clock)),
    clock: withCounter(base, node, last + 1n),
  };
}

const countBytes = 2;
const typeBytes = 1;
const lengthBytes = 4;

export function encodeSiblings(siblings: readonly Sibling[]): Buffer {
  const count = Buffer.allocUnsafe(countBytes);
  count.writeUInt16BE(siblings.length);
  const parts: Buffer[] = [count];
  for (const { type, clock, body } of siblings) {
    const length = Buffer.allocUnsafe(lengthBytes);
    length.writeUInt32BE(body.byteLength);
    parts.push(Buffer.from([type]), encodeClock(clock), length, body);
  }
  return Buffer.concat(parts);
}

/** Bodies are views. */
export function decodeSiblings(bytes: Buffer): Sibling[] {
  const siblings: Sibling[] = [];
  let at = countBytes;
  for (let left = bytes.readUInt16BE(0); left > 0; left--) {
    const type = bytes.readUInt8(at) as StoredType;
    const { clock, end } = decodeClock(bytes, at + typeBytes);
    const from = end + lengthBytes;
    at = from + bytes.readUInt32BE(end);
    siblings.push({ type, clock, body: bytes.subarray(from, at) });
  }
  return siblings;
}
