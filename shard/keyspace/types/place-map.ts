/**
 * Where each member of a collection is: a map from names to places that never stalls.
 *
 *   up to 8,192 names   one Map
 *   beyond              64 Maps, by six bits of the names' hashes
 *
 * A JavaScript Map copies itself whenever it has doubled: 12 ms at a quarter of a million names and twice that at half a
 * million, in the middle of some command. A part of 64 has 16,384 of a million names, and copies those in less than one.
 * Most collections are small and pay nothing: they have the one Map, and no hash is made. It never becomes one again.
 */
import { collectionMapNamesMax, collectionMapParts } from '../../../limits.ts';
import { keyHash } from '../key-hash.ts';

export class PlaceMap {
  #whole: Map<string, number> | undefined = new Map();
  #parts: readonly Map<string, number>[] = [];

  get(name: string): number | undefined {
    return this.#mapOf(name).get(name);
  }

  has(name: string): boolean {
    return this.#mapOf(name).has(name);
  }

  set(name: string, place: number): void {
    this.#mapOf(name).set(name, place);
    if (this.#whole !== undefined && this.#whole.size > collectionMapNamesMax) this.#split(this.#whole);
  }

  delete(name: string): void {
    this.#mapOf(name).delete(name);
  }

  #mapOf(name: string): Map<string, number> {
    return this.#whole ?? this.#parts[keyHash(name) % collectionMapParts]!;
  }

  #split(whole: ReadonlyMap<string, number>): void {
    this.#parts = Array.from({ length: collectionMapParts }, () => new Map<string, number>());
    this.#whole = undefined;
    for (const [name, place] of whole) this.#mapOf(name).set(name, place);
  }
}
