/** Bytes in several buffers that belong behind each other: nothing is copied to put them into one. */
import type { Writable } from 'node:stream';

export function bytesOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

/** All parts, of which there is one at least, by one call of the system. `written` is told of the last. */
export function writeParts(socket: Writable, parts: readonly Uint8Array[], written?: () => void): void {
  const last = parts.length - 1;
  if (last > 0) socket.cork();
  for (let index = 0; index < last; index++) socket.write(parts[index]);
  socket.write(parts[last], written);
  if (last > 0) socket.uncork();
}
