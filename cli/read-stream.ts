/** Reads a stream to its end, up to a bound. */
import type { Readable } from 'node:stream';
import { KvcacheError } from '../errors.ts';

export async function readStream(stream: Readable, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += buffer.byteLength;
    if (bytes > bytesMax) throw new KvcacheError('TOOLARGE', `standard input is above ${bytesMax} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks, bytes);
}
