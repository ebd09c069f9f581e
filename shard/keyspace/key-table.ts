/**
 * A map from keys to values, of some thousands at most, that looks keys up by a hash of its own.
 *
 *   hash ─▶ value                the usual case
 *        ─▶ Meeting [v, v, …]    keys of one hash: one pair in millions, unless somebody could choose them
 *
 * Rejected: a JavaScript Map by key. V8 (14.6, Node 26) makes every string that a Map is asked for one of the process's
 * internalized strings, also those that are not in the Map. The table of these strings doubles in one go, which stalls for
 * 0.1 s at a million keys and longer beyond; every full collection of garbage walks it; and a look into it misses
 * the processor's cache once more. A Map by number has none of it. `===` of two strings compares their bytes.
 *
 * The hash is HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; its 32-bit form as in
 * Linux' hash tables) under a key that each process draws, so that nobody can choose keys that meet.
 */
import { randomInt } from 'node:crypto';

const seedLow = randomInt(2 ** 32) | 0;
const seedHigh = randomInt(2 ** 32) | 0;
const finalRounds = 3;

/** Values whose keys have the same hash: at least two. */
class Meeting<Value> {
  readonly values: Value[];

  constructor(values: Value[]) {
    this.values = values;
  }
}

export class KeyTable<Value extends object> {
  readonly #keyOf: (value: Value) => string;
  readonly #places = new Map<number, Value | Meeting<Value>>();
  #size = 0;

  /** `keyOf` tells the key that a value was set under. */
  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    const found = this.#places.get(tableHash(key));
    if (found === undefined) return undefined;
    if (found instanceof Meeting) return found.values.find((value) => this.#keyOf(value) === key);
    return this.#keyOf(found) === key ? found : undefined;
  }

  /** Returns the value that was there. */
  set(key: string, value: Value): Value | undefined {
    const hash = tableHash(key);
    const found = this.#places.get(hash);
    if (found === undefined) {
      this.#places.set(hash, value);
      this.#size += 1;
      return undefined;
    }
    if (found instanceof Meeting) return this.#setMet(found, key, value);
    if (this.#keyOf(found) === key) {
      this.#places.set(hash, value);
      return found;
    }
    this.#places.set(hash, new Meeting([found, value]));
    this.#size += 1;
    return undefined;
  }

  delete(key: string): boolean {
    const hash = tableHash(key);
    const found = this.#places.get(hash);
    if (found === undefined) return false;
    if (found instanceof Meeting) {
      const at = found.values.findIndex((value) => this.#keyOf(value) === key);
      if (at < 0) return false;
      found.values.splice(at, 1);
      if (found.values.length === 1) this.#places.set(hash, found.values[0]!);
    } else {
      if (this.#keyOf(found) !== key) return false;
      this.#places.delete(hash);
    }
    this.#size -= 1;
    return true;
  }

  /** Values may be set and deleted on the way. */
  *values(): Generator<Value> {
    for (const found of this.#places.values()) {
      if (found instanceof Meeting) yield* found.values.slice();
      else yield found;
    }
  }

  #setMet({ values }: Meeting<Value>, key: string, value: Value): Value | undefined {
    const at = values.findIndex((met) => this.#keyOf(met) === key);
    if (at >= 0) return values.splice(at, 1, value)[0];
    values.push(value);
    this.#size += 1;
    return undefined;
  }
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
