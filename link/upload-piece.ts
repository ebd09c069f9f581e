/**
 * A piece of a large argument that goes up a link ahead of its command (upload.ts): a frame of its own kind, beside
 * those of link/batch.ts. All numbers are big-endian.
 *
 *   version u8 = 1 · kind u8 = 3 · zero u16
 *   upload u32         names the argument within its link
 *   length u32         of the whole argument; 0 ends an upload that no command will take
 *   bytes              those that follow the ones sent before
 */
import { frameKinds, readFrameHead, writeFrameHead } from './frame-head.ts';
import { PartReader, PartWriter } from './parts.ts';

export interface UploadPiece {
  readonly upload: number;
  /** Of the whole argument; 0: the upload is given up. */
  readonly length: number;
  readonly bytes: Buffer;
}

const headBytes = 12;

/** The frame, its bytes as they stand. */
export function encodePiece({ upload, length, bytes }: UploadPiece): Buffer[] {
  const writer = new PartWriter(headBytes);
  writeFrameHead(writer, frameKinds.piece);
  writer.u32(upload);
  writer.u32(length);
  writer.bytesOf(bytes);
  return writer.finish();
}

/** `bytes` is a view of the frame. Throws KvcacheError ERR. */
export function decodePiece(frame: Buffer): UploadPiece {
  const reader = new PartReader(frame);
  readFrameHead(reader, frameKinds.piece);
  const upload = reader.u32();
  const length = reader.u32();
  return { upload, length, bytes: reader.view(frame.byteLength - headBytes) };
}
