import { expect, test } from 'vitest';
import { Ring, ringHash } from './ring.ts';

/** Points by hand: 'a#0' stands where the table says. */
const table: Record<string, number> = { 'a#0': 10, 'a#1': 30, 'b#0': 20, 'b#1': 40 };
const byHand = (text: string): number => table[text]!;

test('a position belongs to the first point at or after it, and the ring closes', () => {
  const ring = new Ring(['b', 'a'], byHand, 2);
  const memberAt = (position: number): string => ring.points[ring.indexAt(position)]!.member;
  expect([0, 10, 11, 20, 21, 30, 31, 40, 41].map(memberAt)).toEqual(['a', 'a', 'b', 'b', 'a', 'a', 'b', 'b', 'a']);
});

test('points that meet are ordered by name, however the members are given', () => {
  const ring = (members: string[]): string[] => new Ring(members, () => 7, 1).points.map((point) => point.member);
  expect(ring(['c', 'a', 'b'])).toEqual(['a', 'b', 'c']);
  expect(ring(['b', 'c', 'a'])).toEqual(['a', 'b', 'c']);
});

test('the hash is the same everywhere and spreads names that differ in one digit', () => {
  expect(ringHash('shard-0#0')).toMatchInlineSnapshot(`1829351087`);
  const quarters = [0, 0, 0, 0];
  for (let number = 0; number < 4_000; number++) quarters[ringHash(`shard-${number % 100}#${number}`) >>> 30]! += 1;
  for (const count of quarters) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
