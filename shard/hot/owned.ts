/**
 * Buffers that own their memory.
 *
 * A Buffer is a window on an ArrayBuffer. Small ones from Buffer.from and Buffer.allocUnsafe share a pool slab, and a
 * slice of what a socket read keeps the whole chunk alive: 100 bytes of value may pin 64 KiB. What is kept for long is
 * therefore made to own its memory first, so that the sum of lengths is close to what the process really holds.
 */
import { ownedWasteBytesMax, ownedWasteShareMax } from '../../limits.ts';

/** True if hardly anything but these bytes is kept alive by the buffer. */
export function ownsMemory(buffer: Buffer): boolean {
  const waste = buffer.buffer.byteLength - buffer.byteLength;
  return waste <= ownedWasteBytesMax && waste <= buffer.byteLength * ownedWasteShareMax;
}

/** The buffer itself if it owns its memory, else a copy that does. */
export function ownedMemory(buffer: Buffer): Buffer {
  if (ownsMemory(buffer)) return buffer;
  const copy = Buffer.allocUnsafeSlow(buffer.byteLength);
  buffer.copy(copy);
  return copy;
}
