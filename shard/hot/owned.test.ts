import { describe, expect, it } from 'vitest';
import { ownedMemory } from './owned.ts';

describe('ownedMemory', () => {
  it('keeps a buffer whose memory is all its own', () => {
    const buffer = Buffer.allocUnsafeSlow(100);
    expect(ownedMemory(buffer)).toBe(buffer);
  });

  it('copies a small buffer out of the pool', () => {
    const pooled = Buffer.from('a small value');
    const owned = ownedMemory(pooled);
    expect(owned).toEqual(pooled);
    expect(owned.buffer.byteLength).toBe(pooled.byteLength);
  });

  it('keeps a slice that wastes little, and copies one that wastes a sixteenth or 64 KiB', () => {
    const MiB = 1024 * 1024;
    const message = Buffer.allocUnsafeSlow(MiB);
    const little = message.subarray(20);
    expect(ownedMemory(little)).toBe(little);
    expect(ownedMemory(message.subarray(MiB / 16)).buffer.byteLength).toBe(MiB - MiB / 16);
    const large = Buffer.allocUnsafeSlow(4 * MiB);
    expect(ownedMemory(large.subarray(64 * 1024))).not.toBe(large);
    expect(ownedMemory(large.subarray(64 * 1024 + 1)).buffer.byteLength).toBe(4 * MiB - 64 * 1024 - 1);
  });
});
