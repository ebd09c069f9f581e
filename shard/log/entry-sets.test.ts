import { expect, test } from 'vitest';
import { storedTypes } from '../../commands/stored-type.ts';
import { Entry, spaceOfKeys } from '../journal.ts';
import { EntrySets } from './entry-sets.ts';

function entryOf(slot: number, sequence: number): Entry {
  return new Entry(spaceOfKeys, storedTypes.bytes, `key ${sequence}`, slot, sequence, 0, 10, 1, 0, 100);
}

test('entries are found by slot, and gone when deleted', () => {
  const sets = new EntrySets();
  const entries = Array.from({ length: 20_000 }, (_, number) => entryOf(number % 2, 1 + number));
  for (const entry of entries) sets.add(entry);
  sets.add(entries[0]!);
  expect(sets.size).toBe(20_000);
  expect(entries.every((entry) => sets.has(entry))).toBe(true);
  expect([...sets.of(1)]).toEqual(entries.filter(({ slot }) => slot === 1));
  for (const entry of entries.slice(0, 10_000)) expect(sets.delete(entry)).toBe(true);
  expect(sets.delete(entries[0]!)).toBe(false);
  expect(sets.has(entryOf(1, 15_000))).toBe(false);
  expect(sets.size).toBe(10_000);
  expect([...sets.of(0)]).toEqual(entries.slice(10_000).filter(({ slot }) => slot === 0));
  expect([sets.hasSlot(0), sets.hasSlot(2)]).toEqual([true, false]);
  sets.deleteSlot(0);
  expect([sets.size, [...sets.of(0)], [...sets.of(1)].length]).toEqual([5_000, [], 5_000]);
});

test('entries that go while a slot is walked are not met, and all others once', () => {
  const sets = new EntrySets();
  const entries = Array.from({ length: 10_000 }, (_, number) => entryOf(7, number));
  for (const entry of entries) sets.add(entry);
  const met: Entry[] = [];
  for (const entry of sets.of(7)) {
    met.push(entry);
    sets.delete(entry);
    sets.delete(entries[entry.sequence + 1]!);
  }
  expect(met).toEqual(entries.filter((_, number) => number % 2 === 0));
  expect([...sets.of(7)]).toEqual([]);
});
