/**
 * The protobuf message `kvcache.link.Frame` (protos/link.proto) around a batch, written and read by hand.
 *
 * The generated code joins and copies; here a batch of parts goes out as parts, and comes in as a view of the message.
 * On the wire the two are the same.
 */
import { bytesOf } from '../byte-parts.ts';
import { malformed } from './parts.ts';

/** Field 1, length-delimited. */
const batchTag = 0x0a;
const wireTypeLength = 2;
/** A tag and a length below 2⁴². */
const headBytesMax = 7;
const nothing = Buffer.alloc(0);

export const exchangePath = '/kvcache.link.Link/Exchange';

/** The message for a batch given in parts. */
export function encodeFrame(batch: readonly Buffer[]): Buffer[] {
  let length = bytesOf(batch);
  const head = Buffer.allocUnsafe(headBytesMax);
  let at = 0;
  head[at++] = batchTag;
  for (; length >= 0x80; length = Math.floor(length / 0x80)) head[at++] = (length % 0x80) | 0x80;
  head[at++] = length;
  return [head.subarray(0, at), ...batch];
}

/** The batch of a message: a view of it. Other fields are skipped. Throws KvcacheError ERR. */
export function decodeFrame(message: Buffer): Buffer {
  let batch: Buffer = nothing;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 42; scale *= 0x80) {
      if (at >= message.byteLength) throw malformed('the message ends within a number');
      const byte = message[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw malformed('a number is longer than it may be');
  };
  while (at < message.byteLength) {
    const tag = varint();
    if (tag % 8 !== wireTypeLength) throw malformed(`wire type ${tag % 8} of field ${Math.floor(tag / 8)}`);
    const length = varint();
    if (length > message.byteLength - at)
      throw malformed(`a field of ${length} bytes with ${message.byteLength - at} left`);
    if (tag === batchTag) batch = message.subarray(at, at + length);
    at += length;
  }
  return batch;
}
