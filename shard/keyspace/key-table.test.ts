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

it('is a map by slot and key, also for keys whose hashes meet', () => {
  const [one, other] = meetingKeys();
  const keys = [one, other, 'a', 'b', ''];
  const slots = [0, 1, 16_383];
  const step = fc.record({ slot: fc.constantFrom(...slots), key: fc.constantFrom(...keys), deletes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new KeyTable<Item>(({ key }) => key);
      const model = new Map<string, Item>();
      steps.forEach(({ slot, key, deletes }, number) => {
        const place = `${slot}/${key}`;
        if (deletes) expect(table.delete(slot, key)).toBe(model.delete(place));
        else {
          const item = { key, number };
          expect(table.set(slot, key, item)).toBe(model.get(place));
          model.set(place, item);
        }
        for (const asked of slots) {
          for (const each of keys) expect(table.get(asked, each)).toBe(model.get(`${asked}/${each}`));
          const expected = [...model].filter(([at]) => at.startsWith(`${asked}/`)).map(([, item]) => item);
          expect(new Set(table.valuesOf(asked))).toEqual(new Set(expected));
        }
        expect(table.size).toBe(model.size);
      });
    }),
  );
});

it('keeps every key through growing, deleting, shrinking and splitting, in whatever order', () => {
  const step = fc.record({
    deletes: fc.boolean(),
    from: fc.integer({ min: 0, max: 300 }),
    count: fc.integer({ min: 1, max: 120 }),
  });
  const slotOf = (number: number): number => number % 7;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const table = new KeyTable<Item>(({ key }) => key);
      const model = new Map<string, Item>();
      steps.forEach(({ deletes, from, count }, round) => {
        for (let number = from; number < from + count; number++) {
          const item = { key: `${number}`, number: round };
          if (deletes) {
            expect(table.delete(slotOf(number), item.key)).toBe(model.delete(item.key));
          } else {
            expect(table.set(slotOf(number), item.key, item)).toBe(model.get(item.key));
            model.set(item.key, item);
          }
        }
        const [low, high] = table.split(3, (slot, { key }) => slot > 3 && key !== '11');
        expect([low.depth, low.size + high.size, table.size]).toEqual([3, model.size, model.size]);
        for (let number = 0; number < 420; number++) {
          const item = model.get(`${number}`);
          expect(table.get(slotOf(number), `${number}`)).toBe(item);
          const half = slotOf(number) > 3 && number !== 11 ? high : low;
          expect(half.get(slotOf(number), `${number}`)).toBe(item);
        }
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
