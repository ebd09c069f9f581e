import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { type AbortWatch, AbortWatches } from './abort-watches.ts';

test('a signal of many commands is listened to once, as long as one of them is there', () => {
  const { signal } = new AbortController();
  const watches = new AbortWatches(() => undefined);
  const entered: AbortWatch[] = Array.from({ length: 1_000 }, () => watches.enter(signal));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  for (const watch of entered.slice(1)) watches.leave(watch);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  watches.leave(entered[0]!);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('each signal tells of itself, also after the commands of others', () => {
  const aborted: AbortSignal[] = [];
  const watches = new AbortWatches((signal) => aborted.push(signal));
  const [first, second] = [new AbortController(), new AbortController()];
  for (const { signal } of [first, second, first]) watches.enter(signal);
  watches.leave(watches.enter(first.signal));
  first.abort();
  second.abort();
  expect(aborted).toEqual([first.signal, second.signal]);
});
