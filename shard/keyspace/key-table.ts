/**
 * A map from keys to values, of some thousands at most, that looks keys up by a hash of its own.
 *
 *   place      0     1     2     3     4     5
 *   hashes     0   h(a)  h(b)    0   h(c)    0      0: nothing is here
 *   values     ·     a     b     ·     c     ·
 *
 * Open addressing with linear probing: a value lies at its home place, the hash's upper half × places / 2^16, or in the first free one
 * behind it, and after the last place comes the first. Between a value's home and the value no place is free, which is
 * what tells that a key is not there; a deletion closes the gap by moving later values up (Knuth, volume 3, 6.4,
 * algorithm R), so there are no marks of deleted ones. Keys of one hash simply lie behind each other. The table grows by
 * half where seven of eight places are taken, without a look at a key: 12 bytes a place, 16 a value in the mean.
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
import { emptyPlaces } from '../empty-places.ts';

const seedLow = randomInt(2 ** 32) | 0;
const seedHigh = randomInt(2 ** 32) | 0;
const finalRounds = 3;
const placesMin = 4;

export class KeyTable<Value extends object> {
  readonly #keyOf: (value: Value) => string;
  #hashes = new Int32Array(placesMin);
  #values = emptyPlaces<Value>(placesMin);
  #size = 0;
  /** Counts what was set and deleted, for those who walk over the values meanwhile. */
  #changes = 0;

  /** `keyOf` tells the key that a value was set under. */
  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    return this.#values[this.#find(key, placedHash(key))];
  }

  /** Returns the value that was there. */
  set(key: string, value: Value): Value | undefined {
    const hash = placedHash(key);
    let place = this.#find(key, hash);
    const previous = this.#values[place];
    this.#changes += 1;
    if (previous === undefined) {
      this.#size += 1;
      if (this.#size * 8 > this.#hashes.length * 7) {
        this.#resize(Math.ceil(this.#hashes.length * 1.5));
        place = freePlace(this.#hashes, hash);
      }
      this.#hashes[place] = hash;
    }
    this.#values[place] = value;
    return previous;
  }

  delete(key: string): boolean {
    const place = this.#find(key, placedHash(key));
    if (this.#values[place] === undefined) return false;
    this.#changes += 1;
    this.#size -= 1;
    this.#closeGap(place);
    // After a flood of keys the memory goes back too.
    if (this.#size * 4 < this.#hashes.length && this.#hashes.length > placesMin) {
      this.#resize(Math.max(placesMin, Math.ceil(this.#size * 1.5)));
    }
    return true;
  }

  /** Values may be set and deleted on the way: each that is still there is given once, as it is then. */
  *values(): Generator<Value> {
    const present = this.#values.filter((value) => value !== undefined);
    const changes = this.#changes;
    for (const value of present) {
      const current = this.#changes === changes ? value : this.get(this.#keyOf(value));
      if (current !== undefined) yield current;
    }
  }

  /** The place of the key, or the free one where its value would go. */
  #find(key: string, hash: number): number {
    const hashes = this.#hashes;
    const places = hashes.length;
    for (let place = homeOf(hash, places); ; place = nextOf(place, places)) {
      const found = hashes[place]!;
      if (found === 0 || (found === hash && this.#keyOf(this.#values[place]!) === key)) return place;
    }
  }

  /** Moves into the gap what may lie there and comes behind it, until a place is free. */
  #closeGap(gap: number): void {
    const hashes = this.#hashes;
    const values = this.#values;
    const places = hashes.length;
    for (let place = nextOf(gap, places); hashes[place] !== 0; place = nextOf(place, places)) {
      const home = homeOf(hashes[place]!, places);
      const isHomeBehindGap = gap < place ? gap < home && home <= place : gap < home || home <= place;
      if (isHomeBehindGap) continue;
      hashes[gap] = hashes[place]!;
      values[gap] = values[place];
      gap = place;
    }
    hashes[gap] = 0;
    values[gap] = undefined;
  }

  #resize(places: number): void {
    const hashes = new Int32Array(places);
    const values = emptyPlaces<Value>(places);
    for (let from = 0; from < this.#hashes.length; from++) {
      const hash = this.#hashes[from]!;
      if (hash === 0) continue;
      const place = freePlace(hashes, hash);
      hashes[place] = hash;
      values[place] = this.#values[from];
    }
    this.#hashes = hashes;
    this.#values = values;
  }
}

function homeOf(hash: number, places: number): number {
  return ((hash >>> 16) * places) >>> 16;
}

function nextOf(place: number, places: number): number {
  return place + 1 === places ? 0 : place + 1;
}

function freePlace(hashes: Int32Array, hash: number): number {
  let place = homeOf(hash, hashes.length);
  while (hashes[place] !== 0) place = nextOf(place, hashes.length);
  return place;
}

/** The hash as places keep it: never 0. */
function placedHash(key: string): number {
  return tableHash(key) || 1;
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
