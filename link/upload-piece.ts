/**
 * A piece of a large argument that goes up a link ahead of its command (upload.ts): a frame of its own kind, beside
 * those of link/batch.ts. All numbers are big-endian.
 *
 *   version u8 = 1 · kind u8 = 3 · zero u16
 *   upload u32         names the argument within its link
 *   length u32         of the whole argument; 0 ends an upload that no command will take
 *   bytes              those that follow the ones sent before
 */
import { malformed, PartReader } from './parts.ts';

export interface UploadPiece {
  readonly upload: number;
  /** Of the whole argument; 0: the upload is given up. */
  readonly length: number;
  readonly bytes: Buffer;
}

const version = 1;
const kindOfPieces = 3;
const kindOffset = 1;
const headBytes = 12;

/** The frame, its bytes as they stand. */
export function encodePiece({ upload, length, bytes }: UploadPiece): Buffer[] {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(version, 0);
  head.writeUInt8(kindOfPieces, kindOffset);
  head.writeUInt32BE(upload, 4);
  head.writeUInt32BE(length, 8);
  return bytes.byteLength === 0 ? [head] : [head, bytes];
}

/** Whether a frame is one of these. */
export function isPiece(frame: Buffer): boolean {
  return frame[kindOffset] === kindOfPieces;
}

/** `bytes` is a view of the frame. Throws KvcacheError ERR. */
export function decodePiece(frame: Buffer): UploadPiece {
  const reader = new PartReader(frame);
  const frameVersion = reader.u8();
  if (frameVersion !== version) throw malformed(`version ${frameVersion}, this process speaks version ${version}`);
  if (reader.u8() !== kindOfPieces) throw malformed('a piece of an upload was expected');
  if (reader.u8() !== 0 || reader.u8() !== 0) throw malformed('reserved bytes are set');
  const upload = reader.u32();
  const length = reader.u32();
  return { upload, length, bytes: reader.view(frame.byteLength - headBytes) };
}
