import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { InFlightBudget } from './in-flight-budget.ts';

class Waiter {
  rooms = 0;
  onRoom(): void {
    this.rooms += 1;
  }
}

test('who finds no room is told when there may be some, in the order in which they came', async () => {
  const budget = new InFlightBudget(100);
  const [first, second, third] = [new Waiter(), new Waiter(), new Waiter()];
  expect(budget.take(first, 100, false)).toBe(true);
  expect(budget.take(second, 10, false)).toBe(false);
  expect(budget.take(third, 10, false)).toBe(false);
  budget.add(-100);
  await turn();
  expect([second.rooms, third.rooms]).toEqual([1, 0]);
  expect(budget.take(second, 10, false)).toBe(true);
  await turn();
  expect(third.rooms).toBe(1);
  expect(budget.used).toBe(10);
});

test('when half-received requests fill it, one of them may go on, and the next when that is whole', async () => {
  const budget = new InFlightBudget(100);
  const [first, second] = [new Waiter(), new Waiter()];
  expect(budget.take(first, 50, false)).toBe(true);
  expect(budget.take(second, 50, false)).toBe(true);
  expect(budget.take(first, 50, true)).toBe(true);
  expect(budget.take(second, 50, true)).toBe(false);
  expect(budget.take(first, 50, true)).toBe(true);
  budget.settle(first);
  await turn();
  expect(second.rooms).toBe(1);
  expect(budget.take(second, 50, true)).toBe(true);
});

test('a waiter that goes away is not waited for', async () => {
  const budget = new InFlightBudget(100);
  const [first, second, third] = [new Waiter(), new Waiter(), new Waiter()];
  budget.take(first, 100, false);
  budget.take(second, 10, false);
  budget.take(third, 10, false);
  budget.settle(second);
  budget.add(-100);
  await turn();
  expect([second.rooms, third.rooms]).toEqual([0, 1]);
});
