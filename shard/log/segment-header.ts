/**
 * The first bytes of every segment file and blob: who wrote it, and the salt of its record headers. They stand there
 * twice, for without the salt no record could be read.
 *
 *   0  8  "KVSEG001"      8  4  format version     12  4  incarnation     16  4  salt
 *  20  4  0              24  8  id (float64)       32  8  created at (float64 ms)
 *  40  4  CRC-32 of bytes 0 to 39                  44  4  0
 */
import { crc32 } from 'node:zlib';
import { KvcacheError } from '../../errors.ts';
import type { SegmentIdentity } from '../segment.ts';

const copyBytes = 48;
export const segmentHeaderBytes = 2 * copyBytes;
export const formatVersion = 3;
const magic = Buffer.from('KVSEG001');

export interface SegmentHeader extends SegmentIdentity {
  readonly createdAtMs: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(formatVersion, 8);
  bytes.writeUInt32LE(header.incarnation, 12);
  bytes.writeUInt32LE(header.salt, 16);
  bytes.writeDoubleLE(header.id, 24);
  bytes.writeDoubleLE(header.createdAtMs, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 40)), 40);
  bytes.copy(bytes, copyBytes, 0, copyBytes);
  return bytes;
}

/** Undefined where both copies are damaged or cut; throws FORMAT for a version that this program cannot read. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  return decodeCopy(bytes) ?? decodeCopy(bytes.subarray(copyBytes));
}

function decodeCopy(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.byteLength < copyBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32LE(40) !== crc32(bytes.subarray(0, 40))) return undefined;
  const version = bytes.readUInt32LE(8);
  if (version !== formatVersion) {
    throw new KvcacheError('FORMAT', `a segment has format ${version}; this version reads format ${formatVersion}`);
  }
  return {
    id: bytes.readDoubleLE(24),
    incarnation: bytes.readUInt32LE(12),
    salt: bytes.readUInt32LE(16),
    createdAtMs: bytes.readDoubleLE(32),
  };
}
