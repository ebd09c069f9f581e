import { expect, test } from 'vitest';
import { describeMachine, isMemoryAtHand, isQuiet, machineLine } from './machine.ts';

test('a machine says what it is, and what new memory costs it', () => {
  const machine = describeMachine();
  expect(machine.pageTouchUs).toBeGreaterThan(0);
  expect(machine.pageTouchUs).toBeLessThan(1_000);
  expect(machineLine(machine)).toContain(process.version);
});

test('a machine is quiet, and has memory at hand, or it has not', () => {
  const machine = { ...describeMachine(), processors: 4, loadBefore: 0.9, pageTouchUs: 1 };
  expect(isQuiet(machine)).toBe(true);
  expect(isQuiet({ ...machine, loadBefore: 1.1 })).toBe(false);
  expect(isMemoryAtHand(machine)).toBe(true);
  expect(isMemoryAtHand({ ...machine, pageTouchUs: 16 })).toBe(false);
});
