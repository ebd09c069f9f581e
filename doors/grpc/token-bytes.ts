/**
 * Repeated int64 fields as 8 big-endian bytes a token, without a BigInt for each.
 *
 * A prompt may have millions of tokens; as BigInts they would take 24 bytes and a collection each, and the digests of
 * blocks want these bytes anyway. Negative numbers come as ten-byte varints in two's complement, which the two halves
 * hold as they stand.
 */

const bytesPerToken = 8;

/** How many varints the packed field holds: every one ends with a byte below 0x80. */
export function countVarints(packed: Uint8Array): number {
  let count = 0;
  for (const byte of packed) if (byte < 0x80) count++;
  return count;
}

/** Tokens of one message, packed or one by one as protobuf permits, in the order in which they come. */
export class TokenBytes {
  #bytes: Buffer = Buffer.alloc(0);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** 8 bytes a token. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * bytesPerToken);
  }

  /** Throws RangeError for a varint that is cut off or too long. */
  addPacked(packed: Uint8Array): void {
    this.#room(countVarints(packed));
    let at = 0;
    while (at < packed.byteLength) at = this.#addVarint(packed, at);
  }

  addOne(value: bigint): void {
    this.#room(1);
    this.#bytes.writeBigInt64BE(BigInt.asIntN(64, value), this.#count * bytesPerToken);
    this.#count++;
  }

  #addVarint(packed: Uint8Array, from: number): number {
    let low = 0;
    let high = 0;
    let at = from;
    for (let shift = 0; ; shift += 7) {
      const byte = packed[at++];
      if (byte === undefined || shift > 63) throw new RangeError('a token is no varint');
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
    }
    const place = this.#count * bytesPerToken;
    this.#bytes.writeInt32BE(high | 0, place);
    this.#bytes.writeInt32BE(low | 0, place + 4);
    this.#count++;
    return at;
  }

  #room(tokens: number): void {
    const wanted = (this.#count + tokens) * bytesPerToken;
    if (wanted <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(this.#count === 0 ? wanted : Math.max(wanted, this.#bytes.byteLength * 2));
    this.#bytes.copy(larger, 0, 0, this.#count * bytesPerToken);
    this.#bytes = larger;
  }
}
