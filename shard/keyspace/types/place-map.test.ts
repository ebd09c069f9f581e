import { expect, test } from 'vitest';
import { collectionMapNamesMax } from '../../../limits.ts';
import { PlaceMap } from './place-map.ts';

test('is a map, also when it has grown beyond one', () => {
  const map = new PlaceMap();
  const model = new Map<string, number>();
  const namesMax = 3 * collectionMapNamesMax;
  // Numbers that repeat: some are set again, some are deleted, before and behind the bound.
  let number = 1;
  for (let step = 0; step < 3 * namesMax; step++) {
    number = (number * 48_271) % 2_147_483_647;
    const name = `name-${number % namesMax}`;
    if (number % 5 === 0) {
      map.delete(name);
      model.delete(name);
    } else {
      map.set(name, step);
      model.set(name, step);
    }
  }
  expect(model.size).toBeGreaterThan(collectionMapNamesMax);
  const names = Array.from({ length: namesMax }, (_, at) => `name-${at}`);
  expect(names.map((name) => map.get(name))).toEqual(names.map((name) => model.get(name)));
  expect(names.map((name) => map.has(name))).toEqual(names.map((name) => model.has(name)));
});
