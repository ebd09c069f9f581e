import { expect, test } from 'vitest';
import { collectionMapNamesMax } from '../../../limits.ts';
import { tableHash } from '../key-table.ts';
import { MemberTable } from './member-table.ts';

/** Two names that meet under the key that this process drew: found by trying, among some hundred thousand. */
function meetingNames(): string[] {
  const byHash = new Map<number, string>();
  for (let index = 0; ; index++) {
    const name = `name:${index}`;
    const other = byHash.get(tableHash(name));
    if (other !== undefined) return [other, name];
    byHash.set(tableHash(name), name);
  }
}

test('knows each member by its name, also when it is large, or when the hashes of names meet', () => {
  const namesMax = 3 * collectionMapNamesMax;
  const names = [...meetingNames(), ...Array.from({ length: namesMax }, (_, at) => `name-${at}`)];
  const table = new MemberTable();
  const present = new Set<string>();
  // Numbers that look random: members come and go, more of them before than behind the bound.
  let number = 1;
  for (let step = 0; step < 3 * namesMax; step++) {
    number = (number * 48_271) % 2_147_483_647;
    const name = names[number % 3 === 0 ? step % 2 : number % names.length]!;
    const place = table.placeOf(name);
    expect(place >= 0).toBe(present.has(name));
    if (place < 0) {
      table.add(name);
      present.add(name);
    } else if (number % 5 === 0) {
      table.removeAt(place);
      present.delete(name);
    }
  }
  expect(table.size).toBe(present.size);
  expect(table.size).toBeGreaterThan(collectionMapNamesMax);
  for (const name of names) expect(table.names[table.placeOf(name)]).toBe(present.has(name) ? name : undefined);
});

test('pages from high places to low ones over all members', () => {
  const table = new MemberTable();
  for (let at = 0; at < 10; at++) table.add(`${at}`);
  expect(table.page(0, 4)).toEqual({ from: 9, to: 6, next: 6 });
  expect(table.page(6, 100)).toEqual({ from: 5, to: 0, next: 0 });
});
