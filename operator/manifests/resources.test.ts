import { expect, it } from 'vitest';
import { mebibytes } from './quantity.ts';
import { routerHeapMebibytes, routerResources, shardHeapMebibytes, shardPodMemoryBytes } from './resources.ts';
import { cacheOf } from './testing/cache.ts';

it('gives a shard’s pod what admission asks of a limit', () => {
  expect(mebibytes(shardPodMemoryBytes('64Mi'))).toBe('272Mi');
  expect(mebibytes(shardPodMemoryBytes('4Gi'))).toBe('5312Mi');
});

it('requests no more for a router than its limit', () => {
  const { spec } = cacheOf({ routers: { resources: { limits: { memory: '128Mi' } } } });
  expect(routerResources(spec)).toMatchObject({ requests: { memory: '128Mi' }, limits: { memory: '128Mi' } });
});

it('lets the heap grow to what the process may take, which V8 would not by itself', () => {
  const { spec } = cacheOf({ shards: { memory: '2Gi' } });
  expect([shardHeapMebibytes(spec), routerHeapMebibytes(spec)]).toEqual([2_112, 1_024]);
});
