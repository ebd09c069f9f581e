/**
 * The value of a commit record: where the chunks of a large value lie.
 *
 *   0  4  number of parts     4  4  total length of the value     8  …  a part: segment(8, float64) offset(4) length(4)
 *
 * Offset and length are those of the whole chunk record.
 */

export interface Part {
  segment: number;
  offset: number;
  recordBytes: number;
}

const headBytes = 8;
const partBytes = 16;

export function encodeParts(parts: readonly Part[], totalBytes: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(headBytes + parts.length * partBytes);
  bytes.writeUInt32LE(parts.length, 0);
  bytes.writeUInt32LE(totalBytes, 4);
  parts.forEach((part, index) => {
    bytes.writeDoubleLE(part.segment, headBytes + index * partBytes);
    bytes.writeUInt32LE(part.offset, headBytes + index * partBytes + 8);
    bytes.writeUInt32LE(part.recordBytes, headBytes + index * partBytes + 12);
  });
  return bytes;
}

/** Undefined if the bytes are no list of parts. */
export function decodeParts(bytes: Buffer): { parts: Part[]; totalBytes: number } | undefined {
  if (bytes.byteLength < headBytes) return undefined;
  const count = bytes.readUInt32LE(0);
  if (bytes.byteLength !== headBytes + count * partBytes) return undefined;
  const parts: Part[] = [];
  for (let index = 0; index < count; index++) {
    parts.push({
      segment: bytes.readDoubleLE(headBytes + index * partBytes),
      offset: bytes.readUInt32LE(headBytes + index * partBytes + 8),
      recordBytes: bytes.readUInt32LE(headBytes + index * partBytes + 12),
    });
  }
  return { parts, totalBytes: bytes.readUInt32LE(4) };
}
