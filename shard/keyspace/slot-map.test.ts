import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexLeafEntriesMax, slotCount } from '../../limits.ts';
import { keyHash } from './key-hash.ts';
import { hashEnd, type Run, SlotMap } from './slot-map.ts';

interface Item {
  readonly key: string;
  readonly number: number;
}

const emptyMap = (): SlotMap<Item> => new SlotMap(({ key }) => key);

/** The runs of a slot in order, checked to cover all hashes without gap. */
function runsOf(map: SlotMap<Item>, slot: number): Run<Item>['leaf'][] {
  const runs: Run<Item>['leaf'][] = [];
  for (let from = 0; from < hashEnd;) {
    const run = map.run(slot, from);
    if (run === undefined) return runs;
    expect(run.end).toBeGreaterThan(from);
    for (const { key } of run.leaf.values()) {
      const hash = keyHash(key);
      if (hash < from || hash >= run.end) expect.fail(`${key} is in the wrong leaf`);
    }
    runs.push(run.leaf);
    from = run.end;
  }
  return runs;
}

describe('SlotMap', () => {
  it('is a map, whatever is set and deleted in whichever slot', () => {
    const step = fc.record({
      slot: fc.integer({ min: 0, max: 3 }),
      key: fc.integer({ min: 0, max: 50 }),
      deletes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const map = emptyMap();
        const model = new Map<string, Item>();
        steps.forEach(({ slot, key, deletes }, number) => {
          const place = `${slot}/${key}`;
          if (deletes) expect(map.delete(slot, `${key}`)).toBe(model.delete(place));
          else {
            const item = { key: `${key}`, number };
            expect(map.set(slot, item.key, item)).toBe(model.get(place));
            model.set(place, item);
          }
          expect(map.get(slot, `${key}`)).toBe(model.get(place));
          expect(map.size).toBe(model.size);
        });
        for (let slot = 0; slot < 4; slot++) {
          const expected = [...model].filter(([place]) => place.startsWith(`${slot}/`)).map(([, value]) => value);
          expect(new Set(map.values(slot))).toEqual(new Set(expected));
        }
      }),
    );
  });

  it('splits a large slot into leaves in the order of hashes, each below the bound', () => {
    const map = emptyMap();
    const keys = 100_000;
    for (let number = 0; number < keys; number++) map.set(5, `key:${number}`, { key: `key:${number}`, number });
    const runs = runsOf(map, 5);
    expect(runs.length).toBeGreaterThan(keys / indexLeafEntriesMax);
    for (const run of runs) expect(run.size).toBeLessThanOrEqual(indexLeafEntriesMax);
    for (let index = 0; index < keys; index++) {
      if (map.get(5, `key:${index}`)?.number !== index) expect.fail(`key:${index} is lost`);
    }
    expect([...map.values(5)]).toHaveLength(keys);
    for (let index = 0; index < keys; index++) map.delete(5, `key:${index}`);
    expect(map.size).toBe(0);
    expect(map.run(5, 0)).toBeUndefined();
  });

  it('gives slots tables in common while these are small, each its own keys', () => {
    const map = emptyMap();
    const keys = 100_000;
    const slotOf = (number: number): number => (number * 7) % slotCount;
    for (let number = 0; number < keys; number++) map.set(slotOf(number), `${number}`, { key: `${number}`, number });
    let seen = 0;
    for (let slot = 0; slot < slotCount; slot++) {
      const numbers = [...map.values(slot)].map(({ number }) => number);
      for (const number of numbers) if (slotOf(number) !== slot) expect.fail(`${number} is in slot ${slot}`);
      if (numbers.length !== map.sizeOf(slot)) expect.fail(`slot ${slot} tells a wrong number of keys`);
      seen += numbers.length;
    }
    expect(seen).toBe(keys);
    for (let number = 0; number < keys; number++) {
      if (map.get(slotOf(number), `${number}`)?.number !== number) expect.fail(`${number} is lost`);
    }
  });

  it('gives every value once while others come and go', () => {
    const map = emptyMap();
    for (let number = 0; number < 1_000; number++) map.set(3, `${number}`, { key: `${number}`, number });
    const seen = new Set<number>();
    for (const { number } of map.values(3)) {
      expect(seen.has(number)).toBe(false);
      seen.add(number);
      map.delete(3, `${number}`);
    }
    expect(seen.size).toBe(1_000);
    expect(map.size).toBe(0);
  });

  it('walks over what was there when it began, as it is when its turn comes', () => {
    const map = emptyMap();
    for (let number = 0; number < 100; number++) map.set(3, `${number}`, { key: `${number}`, number });
    const seen = new Map<string, number>();
    for (const { key, number } of map.values(3)) {
      if (seen.size === 0) {
        for (let later = 0; later < 100; later += 2) map.delete(3, `${later}`);
        for (let later = 1; later < 100; later += 2) map.set(3, `${later}`, { key: `${later}`, number: later + 1_000 });
      }
      seen.set(key, number);
    }
    const [first, ...others] = seen.entries();
    expect(others).toHaveLength(Number(first![0]) % 2 === 0 ? 50 : 49);
    for (const [key, number] of others) expect([Number(key) % 2, number]).toEqual([1, Number(key) + 1_000]);
  });
});
