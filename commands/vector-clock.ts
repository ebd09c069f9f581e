/**
 * Vector clocks: for every node that wrote a value's history, how many writes of its it has seen.
 *
 *   {a:2, b:1} after {a:1, b:1}     every counter at least as high, one higher
 *   {a:2} concurrent with {b:1}     each has seen what the other has not
 *
 * A node that a clock does not name counts as zero, and so does a counter of zero: `{a:0}` equals the empty clock.
 *
 * As bytes, big-endian:
 *
 *   entries(2)  [name length(2) name, UTF-8  counter(8)]…
 */

export type VectorClock = ReadonlyMap<string, bigint>;
export type ClockOrder = 'equal' | 'before' | 'after' | 'concurrent';

export const emptyClock: VectorClock = new Map();
/** Counters are signed integers of 64 bits to their users. */
export const clockCounterMax = 2n ** 63n - 1n;

/** How `left` stands to `right`. */
export function compareClocks(left: VectorClock, right: VectorClock): ClockOrder {
  const isAhead = isBeyond(left, right);
  const isBehind = isBeyond(right, left);
  if (isAhead) return isBehind ? 'concurrent' : 'after';
  return isBehind ? 'before' : 'equal';
}

/** True if `left` has seen something that `right` has not. */
function isBeyond(left: VectorClock, right: VectorClock): boolean {
  for (const [node, counter] of left) if (counter > (right.get(node) ?? 0n)) return true;
  return false;
}

/** True if whoever has the clock has seen everything that `other` has. */
export function descends(clock: VectorClock, other: VectorClock): boolean {
  return !isBeyond(other, clock);
}

/** What all of them together have seen. */
export function mergeClocks(clocks: readonly VectorClock[]): VectorClock {
  const merged = new Map<string, bigint>();
  for (const clock of clocks) {
    for (const [node, counter] of clock) if (counter > (merged.get(node) ?? 0n)) merged.set(node, counter);
  }
  return merged;
}

/** The clock with another counter for one node. */
export function withCounter(clock: VectorClock, node: string, counter: bigint): VectorClock {
  return new Map([...clock, [node, counter]]);
}

const countBytes = 2;
const nameLengthBytes = 2;
const counterBytes = 8;

export function encodeClock(clock: VectorClock): Buffer {
  const names = [...clock.keys()].map((node) => Buffer.from(node, 'utf8'));
  const counters = [...clock.values()];
  const bytes = Buffer.allocUnsafe(
    names.reduce((sum, name) => sum + nameLengthBytes + name.byteLength + counterBytes, countBytes),
  );
  let at = bytes.writeUInt16BE(names.length, 0);
  for (const [index, name] of names.entries()) {
    at = bytes.writeUInt16BE(name.byteLength, at);
    at += name.copy(bytes, at);
    at = bytes.writeBigUInt64BE(counters[index]!, at);
  }
  return bytes;
}

/** The clock that begins at `offset`, and where it ends. Throws RangeError for bytes that are cut off. */
export function decodeClock(bytes: Buffer, offset = 0): { readonly clock: VectorClock; readonly end: number } {
  const clock = new Map<string, bigint>();
  let at = offset + countBytes;
  for (let left = bytes.readUInt16BE(offset); left > 0; left--) {
    const nameEnd = at + nameLengthBytes + bytes.readUInt16BE(at);
    clock.set(bytes.toString('utf8', at + nameLengthBytes, nameEnd), bytes.readBigUInt64BE(nameEnd));
    at = nameEnd + counterBytes;
  }
  return { clock, end: at };
}
