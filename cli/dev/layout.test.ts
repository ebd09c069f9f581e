import { expect, test } from 'vitest';
import { localShardsMax } from '../../limits.ts';
import { layoutOf, portsOf } from './layout.ts';

test('without a base the router has the standard ports', () => {
  const { router } = layoutOf({ portBase: undefined, shards: 3, dataPath: '.kvcache' });
  expect(router).toMatchObject({ grpcPort: 50_051, httpPort: 8_080 });
});

test('with a base every port of the largest cluster lies within a hundred, no two the same', () => {
  const layout = layoutOf({ portBase: 21_000, shards: localShardsMax, dataPath: '.kvcache' });
  const ports = portsOf(layout, true).map(({ port }) => port);
  expect(ports).toEqual([...new Set(ports)]);
  expect(Math.min(...ports)).toBe(21_000);
  expect(Math.max(...ports)).toBeLessThan(21_100);
  expect(layout.router).toMatchObject({ grpcPort: 21_000, httpPort: 21_001 });
});

test('without a base no two ports are the same either', () => {
  const layout = layoutOf({ portBase: undefined, shards: localShardsMax, dataPath: '.kvcache' });
  const ports = portsOf(layout, true).map(({ port }) => port);
  expect(ports).toEqual([...new Set(ports)]);
});
