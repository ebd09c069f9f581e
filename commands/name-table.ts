/**
 * Things that have the names of commands, found by the bytes of these without making a string of them: a lookup is a
 * hash of a few bytes and one comparison. A string that is made for each command costs several times that, and what
 * looks something up by it as much again, for V8 keeps no hash of it.
 */
const bucketCount = 1_024;
/** No name is longer; what is cannot be one. */
const hashedCharsMax = 24;
/** The highest bit in which upper and lower case differ. */
const caseBit = 0x20;

export class NameTable<Item extends { readonly name: string }> {
  readonly #foldsCase: boolean;
  readonly #buckets: Item[][] = Array.from({ length: bucketCount }, () => []);

  /** Names are upper case. `foldsCase`: they are found in any case. */
  constructor(items: Iterable<Item>, foldsCase: boolean) {
    this.#foldsCase = foldsCase;
    for (const item of items) {
      const bytes = Buffer.from(item.name);
      this.#buckets[bucketOf(bytes, 0, bytes.byteLength)]!.push(item);
    }
  }

  /** What has the name that lies in bytes[from, to). */
  find(bytes: Uint8Array, from: number, to: number): Item | undefined {
    const bucket = this.#buckets[bucketOf(bytes, from, to)]!;
    for (let index = 0; index < bucket.length; index++) {
      const item = bucket[index]!;
      if (isNamed(item.name, bytes, from, to, this.#foldsCase)) return item;
    }
    return undefined;
  }
}

function bucketOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  const end = Math.min(to, from + hashedCharsMax);
  for (let at = from; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at]! & ~caseBit)) | 0;
  return (hash ^ (hash >>> 10)) & (bucketCount - 1);
}

function isNamed(name: string, bytes: Uint8Array, from: number, to: number, foldsCase: boolean): boolean {
  if (to - from !== name.length) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[from + index]!;
    const upper = foldsCase && byte >= 0x61 && byte <= 0x7a ? byte & ~caseBit : byte;
    if (upper !== name.charCodeAt(index)) return false;
  }
  return true;
}
