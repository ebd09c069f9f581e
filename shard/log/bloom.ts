/**
 * A Bloom filter over keys: "certainly not here" or "perhaps here", about 1 % wrong at ten bits a key.
 *
 * Double hashing (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006) over two 32-bit FNV-1a variants;
 * the filter is plain bytes, so that it can lie in a hint.
 */

const bitsPerKey = 10;
const probes = 7;

export class Bloom {
  readonly bytes: Buffer;
  /** Taken `>>> 0`, which tells V8 that the remainder of a division by it is one of integers, not of floats. */
  readonly #bits: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#bits = bytes.byteLength * 8;
  }

  /** An empty filter for about `keys` keys. */
  static for(keys: number): Bloom {
    return new Bloom(Buffer.alloc(Math.max(8, Math.ceil((keys * bitsPerKey) / 8))));
  }

  /** The key is bytes[from, to): a view of it for each of half a million would take longer than all the rest. */
  add(bytes: Uint8Array, from: number, to: number, space: number): void {
    let position = hashOf(bytes, from, to, 0x811c9dc5 ^ space);
    const step = hashOf(bytes, from, to, 0x9747b28c ^ space) | 1;
    const filter = this.bytes;
    const bits = this.#bits >>> 0;
    for (let probe = 0; probe < probes; probe++) {
      const bit = (position >>> 0) % bits;
      filter[bit >>> 3]! |= 1 << (bit & 7);
      position = (position + step) | 0;
    }
  }

  /** False: certainly never added. */
  mayHold(key: Uint8Array, space: number): boolean {
    let position = hashOf(key, 0, key.byteLength, 0x811c9dc5 ^ space);
    const step = hashOf(key, 0, key.byteLength, 0x9747b28c ^ space) | 1;
    const bits = this.#bits >>> 0;
    for (let probe = 0; probe < probes; probe++) {
      const bit = (position >>> 0) % bits;
      if ((this.bytes[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
      position = (position + step) | 0;
    }
    return true;
  }
}

function hashOf(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let hash = seed;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  hash ^= hash >>> 16;
  return Math.imul(hash, 0x85ebca6b) ^ (hash >>> 13);
}
