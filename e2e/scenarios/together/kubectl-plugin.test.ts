/** `kubectl kvcache`, as people have it: state, scaling, events, and every command of `kvcache` through a port-forward. */
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { rootFolder } from '../../harness/images.ts';
import { run } from '../../harness/process.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('kubectl-plugin');
// kubectl finds a plugin by its name on the PATH.
const env = { ...process.env, PATH: `${join(rootFolder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
let cache: Cache;

async function plugin(...args: readonly string[]): Promise<string> {
  const { kube, namespace } = scenario;
  // kubectl takes no flags before a plugin's name.
  return run('kubectl', ['kvcache', ...args, '-n', namespace, '--context', kube.context], { env });
}

test('status shows conditions and shards', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 1 } });
  await cache.untilSettled();
  expect(await plugin('status')).toMatch(/cache in .*: ready/u);
  const json = JSON.parse(await plugin('status', '--json')) as { status: object };
  expect(json.status).toMatchObject({ shardsReady: '1/1' });
});

test('set and get go through a port of this machine', async () => {
  await plugin('set', 'greeting', 'hello');
  expect((await plugin('get', 'greeting')).trim()).toBe('hello');
});

test('scale changes the number of shards and waits for it', async () => {
  await plugin('scale', '2');
  expect((await cache.object()).status).toMatchObject({ shardsReady: '2/2', replicas: 2 });
  expect((await plugin('get', 'greeting')).trim()).toBe('hello');
});

test('events tell the story', async () => {
  expect(await plugin('events')).toContain('TopologyPublished');
});
