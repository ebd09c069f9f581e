import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyTable, tableHash } from './key-table.ts';

interface Item {
  readonly key: string;
  readonly number: number;
}

/** Two keys that meet under the key that this process drew: found by trying, among some hundred thousand. */
function meetingKeys(): [string, string] {
  const byHash = new Map<number, string>();
  for (let index = 0; ; index++) {
    const key = `key:${index}`;
    const other = byHash.get(tableHash(key));
    if (other !== undefined) return [other, key];
    byHash.set(tableHash(key), key);
  }
}

it('is a map, also for keys whose hashes meet', () => {
  const [one, other] = meetingKeys();
  const step = fc.record({ key: fc.constantFrom(one, other, 'a', 'b', ''), deletes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new KeyTable<Item>(({ key }) => key);
      const model = new Map<string, Item>();
      steps.forEach(({ key, deletes }, number) => {
        if (deletes) expect(table.delete(key)).toBe(model.delete(key));
        else {
          const item = { key, number };
          expect(table.set(key, item)).toBe(model.get(key));
          model.set(key, item);
        }
        for (const asked of [one, other, 'a', 'b', '']) expect(table.get(asked)).toBe(model.get(asked));
        expect(table.size).toBe(model.size);
        expect(new Set(table.values())).toEqual(new Set(model.values()));
      });
    }),
  );
});

it('keeps every key through growing, deleting and shrinking, in whatever order', () => {
  const step = fc.record({
    deletes: fc.boolean(),
    from: fc.integer({ min: 0, max: 300 }),
    count: fc.integer({ min: 1, max: 120 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const table = new KeyTable<Item>(({ key }) => key);
      const model = new Map<string, Item>();
      steps.forEach(({ deletes, from, count }, round) => {
        for (let number = from; number < from + count; number++) {
          const item = { key: `${number}`, number: round };
          if (deletes) {
            expect(table.delete(item.key)).toBe(model.delete(item.key));
          } else {
            expect(table.set(item.key, item)).toBe(model.get(item.key));
            model.set(item.key, item);
          }
        }
        for (let number = 0; number < 420; number++) expect(table.get(`${number}`)).toBe(model.get(`${number}`));
        expect(table.size).toBe(model.size);
        expect(new Set(table.values())).toEqual(new Set(model.values()));
      });
    }),
    { numRuns: 30 },
  );
});

it('hashes every byte of a key, its length too', () => {
  const keys = Array.from({ length: 40 }, (_, length) => 'x'.repeat(length));
  for (const key of keys.slice(1)) {
    for (let at = 0; at < key.length; at++) keys.push(`${key.slice(0, at)}y${key.slice(at + 1)}`);
  }
  expect(new Set(keys.map(tableHash)).size).toBeGreaterThan(keys.length - 3);
});

it('gives every value once while others come and go', () => {
  const table = new KeyTable<Item>(({ key }) => key);
  for (let number = 0; number < 1_000; number++) table.set(`${number}`, { key: `${number}`, number });
  const seen = new Set<number>();
  for (const { number } of table.values()) {
    expect(seen.has(number)).toBe(false);
    seen.add(number);
    table.delete(`${number}`);
  }
  expect(seen.size).toBe(1_000);
  expect(table.size).toBe(0);
});

it('walks over what was there when it began, as it is when its turn comes', () => {
  const table = new KeyTable<Item>(({ key }) => key);
  for (let number = 0; number < 100; number++) table.set(`${number}`, { key: `${number}`, number });
  const seen = new Map<string, number>();
  for (const { key, number } of table.values()) {
    if (seen.size === 0) {
      for (let later = 0; later < 100; later += 2) table.delete(`${later}`);
      for (let later = 1; later < 100; later += 2) table.set(`${later}`, { key: `${later}`, number: later + 1_000 });
    }
    seen.set(key, number);
  }
  const [first, ...others] = seen.entries();
  expect(others).toHaveLength(Number(first![0]) % 2 === 0 ? 50 : 49);
  for (const [key, number] of others) expect([Number(key) % 2, number]).toEqual([1, Number(key) + 1_000]);
});
