/**
 * The objects of one kind as they were last heard of, found by name, and, where it was asked for, by an index.
 *
 * Written by informers alone. Readers must not change what they get: everybody reads the same objects.
 */
import { KvcacheError } from '../../errors.ts';
import { kubeStoreObjectsMax } from '../../limits.ts';
import { keyOf, keyText, type ObjectKey, type Stored } from './resources.ts';

export interface StoreOptions<T extends object> {
  /** Where else an object is to be found: the owner's uid, the value of a label. */
  readonly indexBy?: ((object: Stored<T>) => readonly string[]) | undefined;
}

export class Store<T extends object> {
  readonly #objects = new Map<string, Stored<T>>();
  readonly #index = new Map<string, Set<string>>();
  readonly #indexBy: StoreOptions<T>['indexBy'];

  constructor(options: StoreOptions<T> = {}) {
    this.#indexBy = options.indexBy;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): Stored<T> | undefined {
    return this.#objects.get(keyText(key));
  }

  /** In no particular order. */
  all(): Iterable<Stored<T>> {
    return this.#objects.values();
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  /** What `indexBy` gave this value for. */
  indexed(value: string): Stored<T>[] {
    const keys = this.#index.get(value) ?? new Set<string>();
    return [...keys].map((key) => this.#objects.get(key)!);
  }

  /** For informers: puts an object in, and returns the one that it replaces. */
  set(object: Stored<T>): Stored<T> | undefined {
    const key = keyText(keyOf(object));
    const previous = this.#objects.get(key);
    if (!previous && this.#objects.size >= kubeStoreObjectsMax) {
      throw new KvcacheError(
        'TOOLARGE',
        `more than ${kubeStoreObjectsMax} objects of kind ${object.kind}: narrow the operator to some namespaces`,
      );
    }
    if (previous) this.#unindex(key, previous);
    this.#objects.set(key, object);
    for (const value of this.#indexBy?.(object) ?? []) {
      const keys = this.#index.get(value);
      if (keys) keys.add(key);
      else this.#index.set(value, new Set([key]));
    }
    return previous;
  }

  /** For informers: takes an object out, and returns it. */
  remove(key: string): Stored<T> | undefined {
    const previous = this.#objects.get(key);
    if (!previous) return undefined;
    this.#unindex(key, previous);
    this.#objects.delete(key);
    return previous;
  }

  #unindex(key: string, object: Stored<T>): void {
    for (const value of this.#indexBy?.(object) ?? []) {
      const keys = this.#index.get(value);
      keys?.delete(key);
      if (keys?.size === 0) this.#index.delete(value);
    }
  }
}
