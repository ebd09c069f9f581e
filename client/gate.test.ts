import { describe, expect, test } from 'vitest';
import { Gate } from './gate.ts';

describe('a gate', () => {
  test('admits up to its bound and the next one when someone leaves', async () => {
    const gate = new Gate(10);
    expect(gate.tryEnter(6)).toBe(true);
    expect(gate.tryEnter(6)).toBe(false);
    const waiting = gate.enter(6);
    gate.leave(6);
    await waiting;
    expect(gate.tryEnter(4)).toBe(true);
    expect(gate.tryEnter(1)).toBe(false);
  });

  test('lets nobody overtake who waits', async () => {
    const gate = new Gate(10);
    const order: string[] = [];
    await gate.enter(8);
    const large = gate.enter(9).then(() => order.push('large'));
    const small = gate.enter(1).then(() => order.push('small'));
    expect(gate.tryEnter(1)).toBe(false);
    gate.leave(8);
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
  });

  test('admits one that is larger than its bound alone', async () => {
    const gate = new Gate(10);
    await gate.enter(100);
    const next = gate.enter(1);
    gate.leave(100);
    await next;
  });

  test('rejects with CANCELLED who is aborted, and lets those behind in', async () => {
    const gate = new Gate(10);
    await gate.enter(5);
    const caller = new AbortController();
    const large = gate.enter(10, caller.signal);
    const small = gate.enter(5);
    caller.abort();
    await expect(large).rejects.toMatchObject({ code: 'CANCELLED' });
    await small;
  });
});
