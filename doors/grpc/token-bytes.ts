/**
 * Repeated int64 fields as 8 big-endian bytes a token, without a BigInt for each.
 *
 * A prompt may have millions of tokens; as BigInts they would take 24 bytes and a collection each, and the digests of
 * blocks want these bytes anyway. Negative numbers come as ten-byte varints in two's complement, which the two halves
 * hold as they stand.
 */

const bytesPerToken = 8;

/** How many varints the packed field holds: every one ends with a byte below 0x80. Four bytes are looked at in one go. */
export function countVarints(packed: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = packed;
  const words = new DataView(buffer, byteOffset, byteLength);
  let count = 0;
  let at = 0;
  for (; at + 4 <= byteLength; at += 4) {
    const ends = (~words.getUint32(at) & 0x80_80_80_80) >>> 7;
    // The product's first byte is the sum of the four.
    count += Math.imul(ends, 0x01_01_01_01) >>> 24;
  }
  for (; at < byteLength; at++) if (packed[at]! < 0x80) count++;
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

  /** `count` varints (`countVarints`). Throws RangeError for one that is cut off or too long. */
  addPacked(packed: Uint8Array, count: number): void {
    this.#room(count);
    const bytes = this.#bytes;
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = packed.byteLength;
    let to = this.#count * bytesPerToken;
    let at = 0;
    while (at < end) {
      let byte = packed[at]!;
      let low = byte & 0x7f;
      let next = at + 1;
      for (let shift = 7; byte > 0x7f && shift < 28 && next < end; shift += 7) {
        byte = packed[next++]!;
        low |= (byte & 0x7f) << shift;
      }
      if (byte > 0x7f) {
        next = writeLong(bytes, to, packed, at);
      } else {
        // Four bytes or fewer, as tokens of any vocabulary are.
        words.setInt32(to, 0);
        words.setInt32(to + 4, low);
      }
      to += bytesPerToken;
      at = next;
    }
    this.#count = to / bytesPerToken;
  }

  addOne(value: bigint): void {
    this.#room(1);
    this.#bytes.writeBigInt64BE(BigInt.asIntN(64, value), this.#count * bytesPerToken);
    this.#count++;
  }

  #room(tokens: number): void {
    const wanted = (this.#count + tokens) * bytesPerToken;
    if (wanted <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(this.#count === 0 ? wanted : Math.max(wanted, this.#bytes.byteLength * 2));
    this.#bytes.copy(larger, 0, 0, this.#count * bytesPerToken);
    this.#bytes = larger;
  }
}

/** Writes a varint of any length as 8 bytes; returns where the next one begins. */
function writeLong(bytes: Buffer, to: number, packed: Uint8Array, from: number): number {
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
  bytes.writeInt32BE(high | 0, to);
  bytes.writeInt32BE(low | 0, to + 4);
  return at;
}
