/**
 * Keeps the writes of one key in order while one of them must read the value first.
 *
 * A change of expiry writes the whole record anew. If its value lies on disk or in Blob the change waits for a read,
 * and a write of the same key that came later must not be overtaken by it. So the change holds its key, and later
 * writes of held keys wait for it, and hold theirs. Other keys go on: a slow Blob stops nobody else.
 */

export class KeyGate {
  /** The end of the last write that holds a key. */
  readonly #ends = new Map<string, Promise<void>>();

  /** True if no key is held: the usual case, and then nothing needs the gate. */
  get isOpen(): boolean {
    return this.#ends.size === 0;
  }

  /** Holds the keys until `release`; `before` resolves when all who hold any of them now have let go. */
  hold(keys: readonly string[]): { before: Promise<void> | undefined; release: () => void } {
    const earlier: Promise<void>[] = [];
    const { promise: end, resolve } = Promise.withResolvers<void>();
    for (const key of new Set(keys)) {
      const held = this.#ends.get(key);
      if (held !== undefined) earlier.push(held);
      this.#ends.set(key, end);
    }
    const release = (): void => {
      resolve();
      for (const key of keys) if (this.#ends.get(key) === end) this.#ends.delete(key);
    };
    const before = earlier.length === 0 ? undefined : Promise.all(earlier).then(() => undefined);
    return { before, release };
  }

  holdsAny(keys: readonly string[]): boolean {
    return keys.some((key) => this.#ends.has(key));
  }
}
