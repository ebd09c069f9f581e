/**
 * What a scenario file begins with: a namespace of its own, in which the restricted pod-security level is enforced, taken
 * away at its end, and saved in full if a test of it fails.
 *
 *     const scenario = useScenario('deleted-pod');
 *     test('a shard comes back', async () => {
 *       const cache = await scenario.cache('cache', { shards: { replicas: 3 } });
 *     });
 *
 * The tests of a file are steps of one story unless it says otherwise: when one fails, those after it are skipped, for
 * what they would say is known. Nothing is tried a second time.
 */
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { saveArtifacts } from './artifacts.ts';
import { Cache, type CacheSpec } from './cache.ts';
import { ClientPod, type ClientPodOptions } from './client-pod.ts';
import { type E2eEnvironment, e2eEnvironment } from './environment.ts';
import { Kube } from './kube.ts';
import { eventually } from './wait.ts';

export interface Scenario {
  readonly environment: E2eEnvironment;
  readonly kube: Kube;
  readonly namespace: string;
  /** Applies a KVCache with little of everything, and `spec` on top of it. Does not wait. */
  cache(name: string, spec?: CacheSpec): Promise<Cache>;
  /** A pod that runs the SDK against a cache's Service; ready. */
  client(cache: Cache, options?: ClientPodOptions): Promise<ClientPod>;
}

export interface ScenarioOptions {
  /** Whether a step that fails makes the later ones pointless. Default: 'dependent'. */
  readonly steps?: 'dependent' | 'independent';
}

export function useScenario(name: string, { steps = 'dependent' }: ScenarioOptions = {}): Scenario {
  const namespace = `e2e-${name}-${randomBytes(2).toString('hex')}`;
  let kube: Kube | undefined;
  let failed: string | undefined;
  const environment = e2eEnvironment();
  const scenario: Scenario = {
    environment,
    get kube() {
      if (kube === undefined) throw new Error('the scenario has not begun: use this inside a test');
      return kube;
    },
    namespace,
    async cache(cacheName, spec) {
      const cache = new Cache(scenario.kube, namespace, cacheName);
      await cache.apply(spec);
      return cache;
    },
    client: (cache, options) => ClientPod.start(scenario.kube, environment.images.tools, cache, options),
  };
  beforeAll(async () => {
    kube = await Kube.of(environment.context);
    await createNamespace(kube, namespace);
  });
  beforeEach((context) => {
    if (failed !== undefined && steps === 'dependent') context.skip(`an earlier step failed: ${failed}`);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail' || failed !== undefined) return;
    failed = task.name;
    const folder = join(environment.resultsFolder, name);
    await saveArtifacts(scenario.kube, namespace, folder);
    process.stderr.write(`e2e: ${name} failed; its logs, events and objects are in ${folder}\n`);
  });
  afterAll(async () => {
    if (kube !== undefined) await kube.delete('Namespace', namespace);
  });
  return scenario;
}

export async function createNamespace(kube: Kube, name: string): Promise<void> {
  const level = { 'pod-security.kubernetes.io/enforce': 'restricted', 'kvcache.dev/e2e': 'true' };
  await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: level } });
  // No pod is let in before a controller has made it.
  await eventually(`the default ServiceAccount of ${name}`, () => kube.find('ServiceAccount', 'default', name));
}
