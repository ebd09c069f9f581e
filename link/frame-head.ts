/** The four bytes that every frame of the link begins with: version u8 = 1 · kind u8 · zero u16. */
import { malformed, type PartReader, type PartWriter } from './parts.ts';

export const frameKinds = { commands: 1, replies: 2, piece: 3 } as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

const version = 1;
const kindOffset = 1;

export function writeFrameHead(writer: PartWriter, kind: FrameKind): void {
  writer.u8(version);
  writer.u8(kind);
  writer.u8(0);
  writer.u8(0);
}

/** Throws KvcacheError ERR where the frame is not of this kind. */
export function readFrameHead(reader: PartReader, kind: FrameKind): void {
  const frameVersion = reader.u8();
  if (frameVersion !== version) throw malformed(`version ${frameVersion}, this process speaks version ${version}`);
  const frameKind = reader.u8();
  if (frameKind !== kind) throw malformed(`kind ${frameKind} where ${kind} was expected`);
  if (reader.u8() !== 0 || reader.u8() !== 0) throw malformed('reserved bytes are set');
}

/** What a frame says that it is, before anything of it is checked. */
export function kindOfFrame(frame: Buffer): number | undefined {
  return frame[kindOffset];
}
