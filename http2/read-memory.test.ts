import { describe, expect, it } from 'vitest';
import { http2ReadShortBytes, http2ReadSlabBytes, http2ReadSlabLeftBytesMin } from '../limits.ts';
import { ReadMemory } from './read-memory.ts';

describe('the memory of a socket', () => {
  it('never reads over what came before', () => {
    const memory = new ReadMemory(() => undefined);
    const reads = Array.from({ length: 200 }, (_, index) => {
      memory.next().fill(index);
      return memory.take(1_000);
    });
    for (const [index, read] of reads.entries()) expect(read.every((byte) => byte === index)).toBe(true);
  });

  it('has a new slab when little is left of the last one', () => {
    const memory = new ReadMemory(() => undefined);
    const slab = memory.next().buffer;
    expect(memory.take(http2ReadSlabBytes - http2ReadSlabLeftBytesMin).byteLength).toBe(48 * 1024);
    expect(memory.next().buffer).toBe(slab);
    expect(memory.next().byteLength).toBe(http2ReadSlabLeftBytesMin);
    memory.take(1);
    expect(memory.next().buffer).not.toBe(slab);
    expect(memory.next().byteLength).toBe(http2ReadSlabBytes);
  });

  it('reads what has a place into it, and what stands between two places by short reads', () => {
    const message = Buffer.alloc(100_000);
    const places = [message.subarray(0, 40_000), message.subarray(10_000, 40_000), undefined, undefined, message];
    const memory = new ReadMemory(() => places.shift());
    expect(memory.next().byteLength).toBe(40_000);
    memory.take(10_000);
    expect(memory.next().byteOffset).toBe(message.byteOffset + 10_000);
    expect(memory.take(30_000).buffer).toBe(message.buffer);
    expect(memory.next().byteLength).toBe(http2ReadShortBytes);
    memory.take(35);
    expect(memory.next().byteLength).toBe(http2ReadShortBytes);
    memory.take(http2ReadShortBytes);
    expect(memory.next()).toBe(message);
    memory.take(99_999);
    expect(memory.next().byteLength).toBeGreaterThan(http2ReadShortBytes);
  });
});
