/**
 * A consistent-hash ring with virtual nodes.
 *
 * Positions are unsigned 32-bit and the ring closes behind the last. Every member stands at `virtualNodes` points; what
 * lies at a position belongs to the first point at or after it. The order in which members are given does not matter:
 * points are ordered by position, and where two members meet at one position, by name.
 *
 * Leaf algorithm after Karger et al., "Consistent Hashing and Random Trees" (1997). The hash is passed in, so a test
 * can place points by hand.
 */

/** An unsigned 32-bit number for a text: the same on every machine. */
export type RingHash = (text: string) => number;

export interface RingPoint {
  readonly position: number;
  readonly member: string;
}

const positions = 2 ** 32;

export class Ring {
  readonly points: readonly RingPoint[];

  constructor(members: readonly string[], hash: RingHash, virtualNodes: number) {
    const points: RingPoint[] = [];
    for (const member of members) {
      for (let replica = 0; replica < virtualNodes; replica++) {
        points.push({ position: hash(`${member}#${replica}`) % positions, member });
      }
    }
    this.points = points.sort((a, b) => a.position - b.position || compareText(a.member, b.member));
  }

  /** Index of the first point at or after `position`; that of the first point where none follows. */
  indexAt(position: number): number {
    let low = 0;
    let high = this.points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.points[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low === this.points.length ? 0 : low;
  }
}

/** Order by UTF-16 code units: no locale decides where data lies. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * FNV-1a over the code units' bytes with MurmurHash3's finalizer, which FNV needs for short texts that differ only in
 * their last character. Sources: draft-eastlake-fnv; MurmurHash3 fmix32.
 */
export function ringHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
