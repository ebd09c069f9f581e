/**
 * Where each member of a collection is: a map from names to places that never stalls.
 *
 *   hash ─▶ place                  the usual case; the name of a place is the caller's, who has them in an array
 *        ─▶ [place, place, …]      names of one hash
 *
 *   up to 8,192 names   one Map
 *   beyond              64 Maps, by the top six bits of the hash
 *
 * A JavaScript Map copies itself whenever it has doubled: 12 ms at a quarter of a million names and twice that at half a
 * million, in the middle of some command. A part of 64 has 16,384 of a million names, and copies those in less than one.
 * Most collections are small and have the one Map, which a large one never becomes again. Why not Maps by name:
 * ../key-table.ts.
 */
import { collectionMapNamesMax, collectionMapPartBits } from '../../../limits.ts';
import { tableHash } from '../key-table.ts';

type Places = Map<number, number | number[]>;

export class PlaceMap {
  /** Names by place. */
  readonly #names: readonly string[];
  #whole: Places | undefined = new Map();
  #parts: readonly Places[] = [];

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** The name's place, or -1. */
  placeOf(name: string): number {
    const hash = tableHash(name);
    const found = this.#mapOf(hash).get(hash);
    if (found === undefined) return -1;
    if (typeof found === 'number') return this.#names[found] === name ? found : -1;
    return found.find((place) => this.#names[place] === name) ?? -1;
  }

  /** Adds a name that was not there. */
  add(name: string, place: number): void {
    const hash = tableHash(name);
    const map = this.#mapOf(hash);
    const found = map.get(hash);
    if (found === undefined) map.set(hash, place);
    else map.set(hash, typeof found === 'number' ? [found, place] : [...found, place]);
    if (this.#whole !== undefined && this.#whole.size > collectionMapNamesMax) this.#split(this.#whole);
  }

  /** The name, which was at one place, is at another. */
  move(name: string, from: number, to: number): void {
    const hash = tableHash(name);
    const map = this.#mapOf(hash);
    const found = map.get(hash)!;
    map.set(hash, typeof found === 'number' ? to : found.map((place) => (place === from ? to : place)));
  }

  /** Takes out a name that is at this place. */
  remove(name: string, from: number): void {
    const hash = tableHash(name);
    const map = this.#mapOf(hash);
    const found = map.get(hash)!;
    if (typeof found === 'number') {
      map.delete(hash);
      return;
    }
    const left = found.filter((place) => place !== from);
    map.set(hash, left.length === 1 ? left[0]! : left);
  }

  #mapOf(hash: number): Places {
    return this.#whole ?? this.#parts[hash >>> (32 - collectionMapPartBits)]!;
  }

  #split(whole: Places): void {
    this.#parts = Array.from({ length: 2 ** collectionMapPartBits }, (): Places => new Map());
    this.#whole = undefined;
    for (const [hash, places] of whole) this.#mapOf(hash).set(hash, places);
  }
}
