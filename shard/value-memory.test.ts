import { describe, expect, it } from 'vitest';
import { leaseOf, ValueMemory } from './value-memory.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** As log and hot tier do, for a value that came and went. */
function recycle(value: Buffer): void {
  const lease = leaseOf(value)!;
  lease.own();
  lease.release(value);
}

describe('ValueMemory', () => {
  it('gives the memory of a value to the next of its size, and what led there before is empty', () => {
    const memory = new ValueMemory({ freeBytesMax: 8 * MiB });
    const first = memory.take(MiB + 2);
    const view = first.subarray(100, 200);
    first.fill(1);
    recycle(first);
    expect([first.byteLength, view.byteLength]).toEqual([0, 0]);
    expect(memory.freeBytes).toBeGreaterThanOrEqual(MiB + 2);
    const second = memory.take(MiB + 2);
    expect(memory.reused).toBe(1);
    expect(memory.freeBytes).toBe(0);
    expect(second.byteLength).toBe(MiB + 2);
    // The same memory, as its content shows, through a buffer of its own.
    expect(second[MiB]).toBe(1);
  });

  it('wastes next to nothing, and hardly more than the value where it has none', () => {
    const memory = new ValueMemory({ freeBytesMax: 0 });
    for (const bytes of [16 * KiB, 64 * KiB + 2, 100_000, MiB, MiB + 2, 1_200_000, 15 * MiB + 1, 16 * MiB]) {
      const value = memory.take(bytes);
      expect(value.byteLength).toBe(bytes);
      expect(value.buffer.byteLength / bytes).toBeLessThan(1.016);
    }
  });

  it('leaves small values and huge ones to the collector', () => {
    const memory = new ValueMemory({ freeBytesMax: 64 * MiB });
    expect(leaseOf(memory.take(100))).toBeUndefined();
    expect(leaseOf(memory.take(16 * MiB + 1))).toBeUndefined();
    expect(leaseOf(Buffer.alloc(MiB))).toBeUndefined();
  });

  it('takes back what its receiver is done with, unless several values lie in it', () => {
    const memory = new ValueMemory({ freeBytesMax: 8 * MiB });
    const [done, several, foreign] = [memory.take(MiB), memory.take(MiB), Buffer.alloc(MiB)];
    memory.leave(several);
    for (const buffer of [done, several, foreign]) memory.giveBack(buffer);
    expect([done, several, foreign].map(({ byteLength }) => byteLength)).toEqual([0, MiB, MiB]);
  });

  it('keeps no more than its bound: what was given back for longest goes to the system', () => {
    const memory = new ValueMemory({ freeBytesMax: 4 * MiB });
    for (const bytes of [2 * MiB, 64 * KiB, MiB, MiB]) recycle(memory.take(bytes));
    const kept = [MiB, MiB].map(() => memory.take(MiB));
    for (const value of kept) recycle(value);
    recycle(memory.take(3 * MiB));
    expect(memory.freeBytes).toBeLessThanOrEqual(4 * MiB);
    recycle(memory.take(8 * MiB));
    expect(memory.freeBytes).toBeLessThanOrEqual(4 * MiB);
    const before = memory.reused;
    memory.take(2 * MiB);
    expect(memory.reused).toBe(before);
  });
});

describe('MemoryLease', () => {
  const memory = new ValueMemory({ freeBytesMax: 64 * MiB });

  it('keeps memory as long as anybody holds it, whoever lets go first', () => {
    const value = memory.take(MiB);
    const lease = leaseOf(value)!;
    lease.hold();
    lease.own();
    lease.hold();
    lease.release(value);
    lease.release(value);
    expect(value.byteLength).toBe(MiB);
    lease.release(value);
    expect(value.byteLength).toBe(0);
  });

  it('leaves memory that nobody owned to the collector', () => {
    const value = memory.take(MiB);
    const lease = leaseOf(value)!;
    lease.hold();
    lease.release(value);
    expect(value.byteLength).toBe(MiB);
  });

  it('leaves memory that was shared to the collector, before it was owned and after', () => {
    const early = memory.take(MiB);
    leaseOf(early)!.share();
    expect(leaseOf(early)!.own()).toBe(false);
    const late = memory.take(MiB);
    leaseOf(late)!.own();
    leaseOf(late)!.share();
    leaseOf(late)!.release(late);
    expect([early.byteLength, late.byteLength]).toEqual([MiB, MiB]);
  });

  it('leaves memory that two want to own to the collector', () => {
    const value = memory.take(MiB);
    const lease = leaseOf(value)!;
    expect([lease.own(), lease.own()]).toEqual([true, false]);
    lease.release(value);
    expect(value.byteLength).toBe(MiB);
  });
});
