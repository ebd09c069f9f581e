import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexLeafEntriesMax } from '../../limits.ts';
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
});
