/**
 * A map from (slot, key) to values, of some thousands at most, that looks keys up by a hash of its own.
 *
 *   place       0         1         2         3         4
 *   places   [ 0  ·  │ t(a)  a │ t(b)  b │ 0  ·  │ t(c)  c ]      0: nothing is here
 *   tag t      slot, 14 bits │ hash, 18 bits, never all 0
 *
 * Open addressing with linear probing: a value lies at its home place, its hash × places / 2^18, or in the first free one
 * behind it, and after the last place comes the first. Between a value's home and the value no place is free, which is
 * what tells that a key is not there; a deletion closes the gap by moving later values up (Knuth, volume 3, 6.4,
 * algorithm R), so there are no marks of deleted ones. Keys of one tag simply lie behind each other. The table grows by
 * a third where seven of eight places are taken, without a look at a key: 16 bytes a place, 21 a value in the mean. Nor
 * does it look at keys to find those of a slot.
 *
 * Tag and value side by side in one array: among millions of keys each step to another object waits for memory, and a
 * look-up has the same two steps here, however many there are, and a third to the value, whose key is compared. Rejected:
 * tags in an Int32Array beside the values, 4 bytes less a place, and four steps more, since a typed array is three
 * objects of which V8 looks at each.
 *
 * Rejected: a JavaScript Map by key. V8 (14.6, Node 26) makes every string that a Map is asked for one of the process's
 * internalized strings, also those that are not in the Map. The table of these strings doubles in one go, which stalls for
 * 0.1 s at a million keys and longer beyond; every full collection of garbage walks it; and a look into it misses
 * the processor's cache once more. A Map by hash has none of it, but takes 28 to 56 bytes a value.
 * `===` of two strings compares their bytes.
 *
 * The hash is HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; its 32-bit form as in
 * Linux' hash tables) under a key that each process draws, so that nobody can choose keys that meet.
 */
import { randomInt } from 'node:crypto';
import { filledPlaces } from '../empty-places.ts';

const seedLow = randomInt(2 ** 32) | 0;
const seedHigh = randomInt(2 ** 32) | 0;
const finalRounds = 3;
const placesMin = 4;
const hashBits = 18;
const hashMask = 2 ** hashBits - 1;

/** Of each place its tag, a signed 32-bit number, and its value. */
type Places<Value extends object> = (number | Value)[];
const none = 0;

export class KeyTable<Value extends object> {
  /** How much of what orders keys all of these share: for whoever has several tables. */
  readonly depth: number;
  readonly #keyOf: (value: Value) => string;
  #places: Places<Value> = emptyPlaces(placesMin);
  #size = 0;

  /** `keyOf` tells the key that a value was set under. */
  constructor(keyOf: (value: Value) => string, depth = 0) {
    this.#keyOf = keyOf;
    this.depth = depth;
  }

  get size(): number {
    return this.#size;
  }

  get(slot: number, key: string): Value | undefined {
    const at = this.#find(key, tagOf(slot, key));
    return this.#places[at] === none ? undefined : (this.#places[at + 1] as Value);
  }

  /** Returns the value that was there. */
  set(slot: number, key: string, value: Value): Value | undefined {
    const tag = tagOf(slot, key);
    const at = this.#find(key, tag);
    if (this.#places[at] === none) {
      this.#add(at, tag, value);
      return undefined;
    }
    const previous = this.#places[at + 1] as Value;
    this.#places[at + 1] = value;
    return previous;
  }

  delete(slot: number, key: string): boolean {
    const at = this.#find(key, tagOf(slot, key));
    if (this.#places[at] === none) return false;
    this.#size -= 1;
    this.#closeGap(at);
    // After a flood of keys the memory goes back too.
    const places = placesOf(this.#places);
    if (this.#size * 4 < places && places > placesMin) {
      this.#resize(Math.max(placesMin, Math.ceil(this.#size * 1.5)));
    }
    return true;
  }

  /** What it holds of a slot now. */
  valuesOf(slot: number): Value[] {
    const places = this.#places;
    const found: Value[] = [];
    for (let at = 0; at < places.length; at += 2) {
      const tag = places[at] as number;
      if (tag !== none && slotOfTag(tag) === slot) found.push(places[at + 1] as Value);
    }
    return found;
  }

  /** What it holds, in two tables of this depth; in which one is told by slot and value. */
  split(
    depth: number,
    isHigh: (slot: number, value: Value) => boolean,
  ): readonly [low: KeyTable<Value>, high: KeyTable<Value>] {
    const low = new KeyTable(this.#keyOf, depth);
    const high = new KeyTable(this.#keyOf, depth);
    for (let from = 0; from < this.#places.length; from += 2) {
      const tag = this.#places[from] as number;
      if (tag === none) continue;
      const value = this.#places[from + 1] as Value;
      const half = isHigh(slotOfTag(tag), value) ? high : low;
      half.#add(freePlace(half.#places, tag), tag, value);
    }
    return [low, high];
  }

  /** Where the place of the key begins, or the free one where its value would go. */
  #find(key: string, tag: number): number {
    const places = this.#places;
    for (let at = homeOf(tag, places); ; at = nextOf(at, places)) {
      const found = places[at];
      if (found === none || (found === tag && this.#keyOf(places[at + 1] as Value) === key)) return at;
    }
  }

  /** Puts a value that is not there yet into the free place where it belongs. */
  #add(at: number, tag: number, value: Value): void {
    this.#size += 1;
    const places = placesOf(this.#places);
    if (this.#size * 8 > places * 7) {
      this.#resize(Math.ceil((places * 4) / 3));
      at = freePlace(this.#places, tag);
    }
    this.#places[at] = tag;
    this.#places[at + 1] = value;
  }

  /** Moves into the gap what may lie there and comes behind it, until a place is free. */
  #closeGap(gap: number): void {
    const places = this.#places;
    for (let at = nextOf(gap, places); places[at] !== none; at = nextOf(at, places)) {
      const home = homeOf(places[at] as number, places);
      const isHomeBehindGap = gap < at ? gap < home && home <= at : gap < home || home <= at;
      if (isHomeBehindGap) continue;
      places[gap] = places[at]!;
      places[gap + 1] = places[at + 1]!;
      gap = at;
    }
    places[gap] = none;
    places[gap + 1] = none;
  }

  #resize(count: number): void {
    const places = emptyPlaces<Value>(count);
    for (let from = 0; from < this.#places.length; from += 2) {
      const tag = this.#places[from] as number;
      if (tag === none) continue;
      const at = freePlace(places, tag);
      places[at] = tag;
      places[at + 1] = this.#places[from + 1]!;
    }
    this.#places = places;
  }
}

function emptyPlaces<Value extends object>(count: number): Places<Value> {
  return filledPlaces<number | Value>(count * 2, none);
}

function placesOf(places: readonly unknown[]): number {
  return places.length >>> 1;
}

function homeOf(tag: number, places: readonly unknown[]): number {
  return (Math.imul(tag & hashMask, placesOf(places)) >>> hashBits) << 1;
}

function nextOf(at: number, places: readonly unknown[]): number {
  return at + 2 === places.length ? 0 : at + 2;
}

function freePlace(places: readonly unknown[], tag: number): number {
  let at = homeOf(tag, places);
  while (places[at] !== none) at = nextOf(at, places);
  return at;
}

function tagOf(slot: number, key: string): number {
  return (slot << hashBits) | (tableHash(key) & hashMask || 1);
}

function slotOfTag(tag: number): number {
  return tag >>> hashBits;
}

/** A signed 32-bit hash of a latin1 string, which V8 keeps in a register or a tagged word and never in the heap. */
export function tableHash(key: string): number {
  const { length } = key;
  const words = length >> 2;
  let v0 = seedLow;
  let v1 = seedHigh;
  let v2 = 0x6c796765 ^ seedLow;
  let v3 = 0x74656462 ^ seedHigh;
  for (let round = 0, at = 0; round <= words + finalRounds; round++) {
    let word = 0;
    if (round < words) {
      word =
        key.charCodeAt(at) |
        (key.charCodeAt(at + 1) << 8) |
        (key.charCodeAt(at + 2) << 16) |
        (key.charCodeAt(at + 3) << 24);
      at += 4;
    } else if (round === words) {
      word = length << 24;
      for (let shift = 0; at < length; shift += 8) word |= key.charCodeAt(at++) << shift;
    } else if (round === words + 1) {
      v2 ^= 0xff;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
