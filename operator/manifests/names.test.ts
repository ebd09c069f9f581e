import { expect, it } from 'vitest';
import { selectorLabels, selectorText, shardAddress, shardName } from './names.ts';
import { cacheOf } from './testing/cache.ts';

it('names a shard as its StatefulSet names the pod', () => {
  expect(shardName(cacheOf(), 2)).toBe('c-shard-2');
  expect(shardAddress(cacheOf(), 2)).toBe('c-shard-2.c-shards.n.svc:7051');
});

it('writes labels as the scale subresource takes them', () => {
  expect(selectorText(selectorLabels(cacheOf(), 'shard'))).toBe(
    'app.kubernetes.io/name=kvcache,app.kubernetes.io/instance=c,app.kubernetes.io/component=shard',
  );
});
