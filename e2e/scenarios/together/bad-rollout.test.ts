/**
 * A pod template that cannot start stops after one shard: the others serve, Degraded says why, and a corrected spec heals
 * it without a hand on any pod.
 */
import { describe, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { isReady } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { holds } from '../../harness/wait.ts';

const scenario = useScenario('bad-rollout');
const haltedWithin = { timeoutMs: 180_000 };
let cache: Cache;
let client: ClientPod;

async function readyShards(): Promise<number> {
  return (await cache.pods('shard')).filter(isReady).length;
}

test('a cache of three shards is settled', async () => {
  cache = await scenario.cache('cache', {});
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', 300, 1_000);
});

describe.each([
  ['an image that does not exist', { image: 'registry.invalid/kvcache:none' }, { image: null }],
  [
    'a node that does not exist',
    { shards: { scheduling: { nodeSelector: { 'example.com/nowhere': 'true' } } } },
    { shards: { scheduling: { nodeSelector: null } } },
  ],
])('%s', (_what, mistake, correction) => {
  test('halts after one shard, while the others serve, and says why', async () => {
    await cache.edit(mistake);
    const degraded = await cache.untilCondition('Degraded', 'True', 'RolloutHalted', haltedWithin);
    expect(degraded.message).toContain('cache-shard-2');
    expect(degraded.message).toMatch(/ImagePullBackOff|ErrImagePull|Unschedulable/u);
    await holds('two shards are ready', 10_000, async () => expect(await readyShards()).toBe(2));
    expect(await cache.condition('Ready')).toMatchObject({ status: 'False' });
    expect(await cache.condition('Stalled')).toMatchObject({ status: 'True' });
  });

  test('heals when the spec is corrected, and every key is there', async () => {
    await cache.edit(correction);
    await cache.untilSettled({ timeoutMs: 240_000 });
    expect(await cache.condition('Degraded')).toMatchObject({ status: 'False' });
    expect(await client.missing('key', 300)).toEqual([]);
  });
});
