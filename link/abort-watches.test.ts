import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { libraryContext } from '../commands/command.ts';
import { AbortWatches } from './abort-watches.ts';
import { PendingCommand } from './pending.ts';

const pending = (): PendingCommand =>
  new PendingCommand(
    { name: 'GET', args: [] },
    libraryContext(1_000),
    0,
    1,
    { reply: () => undefined },
    0,
    0,
    0,
    undefined,
  );

test('a signal of many commands is listened to once, as long as one of them is there', () => {
  const { signal } = new AbortController();
  const watches = new AbortWatches(() => undefined);
  const entered = Array.from({ length: 1_000 }, () => watches.enter(signal, pending()));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  for (const watch of entered.slice(1)) watches.leave(watch);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  watches.leave(entered[0]!);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('each signal tells of itself, and of its command where it has but one', () => {
  const aborted: [AbortSignal, PendingCommand | undefined][] = [];
  const watches = new AbortWatches(({ signal }, only) => void aborted.push([signal, only]));
  const [first, second] = [new AbortController(), new AbortController()];
  const only = pending();
  watches.enter(first.signal, pending());
  watches.enter(second.signal, only);
  watches.leave(watches.enter(first.signal, pending()));
  first.abort();
  second.abort();
  expect(aborted).toEqual([
    [first.signal, undefined],
    [second.signal, only],
  ]);
});
