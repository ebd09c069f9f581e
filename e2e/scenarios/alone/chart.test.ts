/**
 * The life of a release: upgraded from the version before, no data pod restarts that had nothing changed; uninstalled,
 * KVCaches and their data stay, serve on, and are taken up again by the next installation.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { chartValues, helm, installChart, untilOperators } from '../../harness/chart.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { operatorNamespace, releaseName } from '../../harness/environment.ts';
import { chartFolder } from '../../harness/images.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('chart');
let cache: Cache;
let client: ClientPod;
let pods: (string | undefined)[];

// Whatever happens here, other scenarios find the operator that they expect.
afterAll(() => installChart(scenario.kube, scenario.environment.images));

async function identities(): Promise<(string | undefined)[]> {
  const all = await cache.pods();
  return all.map(({ metadata, status }) => `${metadata.uid} ${status.containerStatuses?.[0]?.containerID}`);
}

test('a release serves a cache, and its helm test passes', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 2 } });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', 100, 1_000);
  const said = await helm(scenario.kube, ['test', releaseName, '--namespace', operatorNamespace]);
  expect(said).toMatch(/Phase:\s+Succeeded/u);
  pods = await identities();
});

test('an upgrade to the next version of the chart restarts no pod of a cache', async () => {
  const { kube, environment } = scenario;
  const folder = await mkdtemp(join(tmpdir(), 'kvcache-chart-'));
  try {
    await cp(chartFolder, folder, { recursive: true });
    const path = join(folder, 'Chart.yaml');
    await writeFile(path, (await readFile(path, 'utf8')).replace(/^version:.*$/mu, 'version: 99.0.0'));
    const [before] = await untilOperators(kube, 1);
    const where = ['--namespace', operatorNamespace];
    // The operator itself is another one after it: its own template changes.
    const other = ['--set', 'operator.podAnnotations.example\\.com/version=next'];
    await helm(kube, [
      'upgrade',
      releaseName,
      folder,
      ...where,
      ...chartValues(environment.images),
      ...other,
      '--wait',
    ]);
    const [after] = await untilOperators(kube, 1);
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  // The new operator has looked at the cache when it answers to an edit.
  await cache.edit({ service: { annotations: { 'example.com/seen-by': 'next' } } });
  await cache.untilSettled();
  expect(await identities()).toEqual(pods);
});

test('an uninstalled release leaves KVCaches, their pods and their data', async () => {
  const { kube } = scenario;
  await helm(kube, ['uninstall', releaseName, '--namespace', operatorNamespace, '--wait']);
  expect(await cache.object()).toBeDefined();
  expect(await identities()).toEqual(pods);
  expect(await client.missing('key', 100)).toEqual([]);
  await client.set('without', 'an operator');
  expect(await client.get('without')).toBe('an operator');
});

test('a KVCache that retains its data can be deleted while no operator is there', async () => {
  const other = await scenario.cache('other', { paused: true });
  await other.delete();
  await other.untilGone();
});

test('the next installation takes the caches up again, without a restart', async () => {
  const { kube, environment } = scenario;
  await installChart(kube, environment.images);
  await cache.edit({ service: { annotations: { 'example.com/seen-by': 'third' } } });
  await cache.untilSettled();
  expect(await identities()).toEqual(pods);
  expect(await client.missing('key', 100)).toEqual([]);
});
