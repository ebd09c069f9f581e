import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { pino } from 'pino';
import { customResourceDefinition } from '../api/crd.ts';
import type { KVCache } from '../api/schema.ts';
import { sleep } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  events,
  namespaces,
  networkPolicies,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  serviceAccounts,
  services,
  statefulSets,
  storageClasses,
} from '../kube/resources.ts';
import { ApiServer } from '../kube/testing/api-server.ts';
import { parseTopology } from '../../topology/document.ts';
import { isMoving } from '../../topology/place.ts';
import { loadSettings } from '../../settings/load.ts';
import { LiveSettings } from '../../settings/live.ts';
import type { Service } from '../../process/serve.ts';
import { startOperator } from '../main.ts';
import { kvcaches } from './informers.ts';
import { PodWorld } from './testing/pod-world.ts';

const server = await ApiServer.start();
const logger = pino({ level: process.env['KVCACHE_TEST_LOG'] ?? 'silent' });
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

afterAll(async () => {
  await server?.stop();
});

const name = 'c';

/** A namespace with an operator and pods. */
class Setting {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly world: PodWorld;
  #operator: Service | undefined;

  private constructor(client: KubeClient, namespace: string) {
    this.client = client;
    this.namespace = namespace;
    this.world = new PodWorld(client, namespace);
  }

  static async make(): Promise<Setting> {
    const client = await server!.client();
    cleanups.push(() => client.close());
    await client.apply(customResourceDefinitions, customResourceDefinition());
    await until(
      async () => (await client.get(customResourceDefinitions, { name: 'kvcaches.kvcache.dev' })) as never,
      (crd) => JSON.stringify(crd).includes('"type":"Established"'),
    );
    await client.apply(nodes, { metadata: { name: 'node-1' } });
    const setting = new Setting(client, await server!.createNamespace(client));
    setting.world.start();
    cleanups.push(() => setting.world.stop());
    await setting.startOperator();
    cleanups.push(() => setting.stopOperator());
    return setting;
  }

  async startOperator(): Promise<void> {
    const loaded = loadSettings({
      role: 'operator',
      flags: {
        'http-port': 0,
        'http-host': '127.0.0.1',
        'operator-image': 'kvcache:1',
        'operator-namespace': this.namespace,
        'operator-watch-namespaces': this.namespace,
      },
      environment: {},
    });
    const credentials = await server!.credentials();
    this.#operator = await startOperator(new LiveSettings(loaded, 'operator'), logger, {
      version: 'test',
      credentials,
    });
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.stop();
    this.#operator = undefined;
  }

  async create(spec: object = {}): Promise<void> {
    await this.client.create(kvcaches, { metadata: { namespace: this.namespace, name }, spec });
  }

  async edit(spec: object): Promise<void> {
    await this.client.patch(kvcaches, { namespace: this.namespace, name }, { spec });
  }

  async get(): Promise<KVCache> {
    return (await this.client.get(kvcaches, { namespace: this.namespace, name })) as unknown as KVCache;
  }

  read<T extends object>(resource: Resource<T>, object: string) {
    return this.client.get(resource, { namespace: this.namespace, name: object });
  }

  async topology() {
    const configMap = await this.read(configMaps, 'c-topology');
    const text = configMap?.data?.['topology.json'];
    return text === undefined ? undefined : parseTopology(text);
  }

  /** Serving, with so many shards, and with nothing under way. */
  async settled(shards: number): Promise<KVCache> {
    return await until(
      () => this.get(),
      (cache) =>
        isTrue(cache, 'Ready') &&
        isFalse(cache, 'Progressing') &&
        cache.status?.observedGeneration === cache.metadata.generation &&
        cache.status?.shardsReady === `${shards}/${shards}` &&
        cache.status.replicas === shards,
    );
  }

  /** There is no garbage collector here: takes away what belongs to owners that are gone. */
  async collectGarbage(): Promise<void> {
    const { client, namespace } = this;
    const owned = [
      statefulSets,
      deployments,
      pods,
      configMaps,
      services,
      podDisruptionBudgets,
      serviceAccounts,
      networkPolicies,
    ] as readonly Resource<object>[];
    // Also what is made while the operator, or the owner of pods, has not seen it yet: until twice nothing is found.
    let emptyPasses = 0;
    await until(
      async () => {
        let found = 0;
        for (const resource of owned) {
          const { items } = await client.list(resource, { namespace });
          for (const { metadata } of items) {
            // Pods here are made without owners.
            if (resource !== pods && metadata.ownerReferences === undefined) continue;
            found += 1;
            await client.delete(resource, { namespace, name: metadata.name });
          }
        }
        emptyPasses = found === 0 ? emptyPasses + 1 : 0;
        return emptyPasses;
      },
      (passes) => passes === 2,
    );
  }

  async reasons(): Promise<string[]> {
    const { items } = await this.client.list(events, { namespace: this.namespace });
    return items.map(({ reason }) => reason ?? '');
  }

  /** resourceVersions of everything in the namespace that a steady state must leave alone. */
  async versions(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const kinds: readonly Resource<object>[] = [
      statefulSets,
      deployments,
      configMaps,
      services,
      podDisruptionBudgets,
      persistentVolumeClaims,
      pods,
    ];
    for (const resource of kinds) {
      const { items } = await this.client.list(resource, { namespace: this.namespace });
      for (const { kind, metadata } of items) found[`${kind} ${metadata.name}`] = metadata.resourceVersion;
    }
    return found;
  }

  /** The same, once pods that started late have written their last. */
  async steady(): Promise<Record<string, string>> {
    let before = '';
    return await until(
      async () => {
        await sleep(1_000, AbortSignal.timeout(2_000));
        return this.versions();
      },
      (versions) => before === (before = JSON.stringify(versions)),
    );
  }
}

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean, timeoutMs = 60_000): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && holds(value)) return value;
    if (performance.now() > endMs)
      throw new Error(`it never came to be; the last was ${JSON.stringify(value, undefined, 1)}`);
    await sleep(100, AbortSignal.timeout(1_000));
  }
}

const condition = (cache: KVCache, type: string) => cache.status?.conditions?.find((each) => each.type === type);
const isTrue = (cache: KVCache, type: string): boolean => condition(cache, type)?.status === 'True';
const isFalse = (cache: KVCache, type: string): boolean => condition(cache, type)?.status === 'False';

describe.skipIf(!server)('against a real kube-apiserver', () => {
  test('an empty spec becomes three shards and two routers, and then costs no write', async () => {
    const setting = await Setting.make();
    await setting.create();
    const cache = await setting.settled(3);
    expect(cache.status).toMatchObject({ epoch: 1, slotsServed: 16_384, hitRate: '95%', routersReady: '2/2' });
    expect(condition(cache, 'Durable')).toMatchObject({ status: 'False', reason: 'DisksOnly' });
    expect(await setting.topology()).toMatchObject({ epoch: 1 });
    const before = await setting.steady();
    const { status } = await setting.get();
    // A change that concerns nothing: it wakes the operator.
    await setting.client.patch(
      kvcaches,
      { namespace: setting.namespace, name },
      { metadata: { annotations: { a: 'b' } } },
    );
    await sleep(2_000, AbortSignal.timeout(3_000));
    expect(await setting.versions()).toEqual(before);
    expect((await setting.get()).status).toEqual(status);
    await setting.stopOperator();
    await setting.startOperator();
    await sleep(3_000, AbortSignal.timeout(4_000));
    expect(await setting.versions()).toEqual(before);
  }, 120_000);

  test('three shards become five and then two, and the disks of those that went are gone', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    for (const replicas of [5, 2]) {
      await setting.edit({ shards: { replicas } });
      await setting.settled(replicas);
      const topology = (await setting.topology())!;
      expect(isMoving(topology)).toBe(false);
      expect(topology.shards).toHaveLength(replicas);
    }
    const claims = await until(
      async () => (await setting.client.list(persistentVolumeClaims, { namespace: setting.namespace })).items,
      (items) => items.length === 2,
    );
    expect(claims.map(({ metadata }) => metadata.name).sort()).toEqual(['data-c-shard-0', 'data-c-shard-1']);
    expect(await setting.reasons()).toEqual(
      expect.arrayContaining(['ScalingOut', 'ScalingIn', 'Scaled', 'VolumeDeleted']),
    );
  }, 120_000);

  test('what is deleted comes back, what is edited by hand is put right, and what is others’ stays', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    const { client, namespace } = setting;
    const epoch = (await setting.topology())!.epoch;
    for (const [resource, object] of [
      [services, 'c'],
      [configMaps, 'c-topology'],
      [configMaps, 'c-settings'],
      [podDisruptionBudgets, 'c-shard'],
      [deployments, 'c-router'],
      [statefulSets, 'c-shard'],
    ] as const) {
      await client.delete(resource, { namespace, name: object });
      await until(
        () => setting.read(resource as Resource<object>, object),
        (found) => found !== undefined,
      );
    }
    expect((await setting.topology())!.epoch).toBe(epoch);
    await client.patch(
      services,
      { namespace, name: 'c' },
      {
        metadata: { labels: { mine: 'kept' } },
        spec: { publishNotReadyAddresses: true, type: 'NodePort' },
      },
    );
    const service = await until(
      () => setting.read(services, 'c'),
      (found) => found!.spec?.type === 'ClusterIP',
    );
    expect(service?.metadata.labels).toMatchObject({ mine: 'kept' });
    await setting.settled(3);
  }, 120_000);

  test('a change of the pods restarts one shard at a time, flushed; a bad one stops at the first and heals', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    const flushed = setting.world.running.get('c-shard-2')!.flushes;
    await setting.edit({ shards: { memory: '512Mi' } });
    await setting.settled(3);
    expect(flushed).toEqual(['disk']);
    setting.world.badImages.add('kvcache:bad');
    await setting.edit({ image: 'kvcache:bad' });
    const halted = await until(
      () => setting.get(),
      (cache) => condition(cache, 'Degraded')?.reason === 'RolloutHalted',
    );
    expect(condition(halted, 'Degraded')?.message).toContain('ImagePullBackOff');
    expect(halted.status?.shardsReady).toBe('2/3');
    expect(condition(halted, 'Stalled')?.status).toBe('True');
    await setting.edit({ image: 'kvcache:2' });
    const healed = await setting.settled(3);
    expect(isFalse(healed, 'Degraded')).toBe(true);
    expect(healed.status?.shards?.every(({ upToDate }) => upToDate)).toBe(true);
    expect(await setting.reasons()).toEqual(
      expect.arrayContaining(['ShardRestarted', 'RolloutHalted', 'PodDiscarded', 'RolloutFinished']),
    );
  }, 180_000);

  test('a setting that may change while processes run reaches them without a restart', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    const pod = setting.world.running.get('c-shard-0')!;
    await setting.edit({ shards: { acknowledgement: 'disk' } });
    await until(
      async () => pod.settings.at(-1) ?? '',
      (json) => json.includes('"acknowledgement":"disk"'),
    );
    expect(setting.world.running.get('c-shard-0')).toBe(pod);
  }, 120_000);

  test('an object of somebody else is left alone and named', async () => {
    const setting = await Setting.make();
    const { client, namespace } = setting;
    await client.create(services, { metadata: { namespace, name: 'c-shards' }, spec: { ports: [{ port: 80 }] } });
    await setting.create();
    const cache = await until(
      () => setting.get(),
      (found) => condition(found, 'Degraded')?.reason === 'ObjectTaken',
    );
    expect(condition(cache, 'Degraded')?.message).toContain('Service c-shards exists and has no owner');
    expect((await setting.read(services, 'c-shards'))?.spec?.ports).toHaveLength(1);
    expect(
      await until(
        () => setting.read(statefulSets, 'c-shard'),
        (found) => found !== undefined,
      ),
    ).toBeDefined();
  }, 120_000);

  test('a cache made anew takes up the disks and the topology of the one before', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    await setting.edit({ shards: { replicas: 4 } });
    await setting.settled(4);
    const before = (await setting.topology())!;
    await setting.client.delete(kvcaches, { namespace: setting.namespace, name });
    await setting.collectGarbage();
    await setting.create({ shards: { replicas: 4 } });
    await setting.settled(4);
    const after = (await setting.topology())!;
    expect(after.epoch).toBeGreaterThanOrEqual(before.epoch);
    expect(after.slots).toEqual(before.slots);
    await until(
      () => setting.reasons(),
      (reasons) => reasons.includes('DataAdopted'),
    );
  }, 180_000);

  test('disks grow: claims first, then the StatefulSet anew around pods that go on', async () => {
    const setting = await Setting.make();
    const storageClassName = 'growing';
    await setting.client.apply(storageClasses, {
      metadata: { name: storageClassName },
      provisioner: 'test',
      allowVolumeExpansion: true,
    });
    await setting.create({ shards: { storage: { storageClassName } } });
    await setting.settled(3);
    const before = await setting.read(statefulSets, 'c-shard');
    setting.world.collectsGarbage = false;
    await setting.edit({ shards: { storage: { size: '20Gi' } } });
    // Nothing is settled while the old one is still on its way out.
    await until(
      () => setting.get(),
      (cache) => condition(cache, 'Progressing')?.message?.endsWith('the StatefulSet is made anew') === true,
    );
    setting.world.collectsGarbage = true;
    const after = await until(
      () => setting.read(statefulSets, 'c-shard'),
      (set) =>
        set !== undefined && set.spec?.volumeClaimTemplates?.[0]?.spec?.resources?.requests?.['storage'] === '20Gi',
    );
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid);
    const { items } = await setting.client.list(persistentVolumeClaims, { namespace: setting.namespace });
    expect(items.map(({ spec }) => spec?.resources?.requests?.['storage'])).toEqual(['20Gi', '20Gi', '20Gi']);
    await setting.settled(3);
  }, 120_000);

  test('a scale-in that a dead shard blocks says so, and goes on when the shard is given up', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    await setting.world.cutOff('c-shard-2');
    await setting.edit({ shards: { replicas: 2 } });
    const blocked = await until(
      () => setting.get(),
      (cache) => isTrue(cache, 'ScaleBlocked'),
      90_000,
    );
    expect(condition(blocked, 'ScaleBlocked')).toMatchObject({ reason: 'ShardsAway' });
    expect(condition(blocked, 'ScaleBlocked')?.message).toContain('c-shard-2');
    const annotations = { 'kvcache.dev/abandon-shards': 'c-shard-2' };
    await setting.client.patch(kvcaches, { namespace: setting.namespace, name }, { metadata: { annotations } });
    await setting.settled(2);
    expect((await setting.topology())!.shards.map((shard) => shard.name)).toEqual(['c-shard-0', 'c-shard-1']);
    expect(await setting.reasons()).toContain('ShardsAbandoned');
  }, 180_000);

  test('deletionProtection holds a deletion, and nothing else does', async () => {
    const setting = await Setting.make();
    await setting.create({ deletionProtection: true });
    await setting.settled(3);
    const { client, namespace } = setting;
    await client.delete(kvcaches, { namespace, name });
    await until(
      () => setting.reasons(),
      (reasons) => reasons.includes('DeletionHeld'),
    );
    expect(await setting.get()).toBeDefined();
    await setting.edit({ deletionProtection: false });
    await until(
      async () => [await client.get(kvcaches, { namespace, name })],
      ([found]) => found === undefined,
    );
  }, 120_000);

  test('in a namespace that is being deleted, nothing is made anew, and nobody is blamed', async () => {
    const setting = await Setting.make();
    await setting.create();
    await setting.settled(3);
    const { client, namespace } = setting;
    // No controller takes its objects away here, so that it stays like this.
    await client.delete(namespaces, { name: namespace });
    await client.delete(services, { namespace, name: 'c' });
    await client.delete(configMaps, { namespace, name: 'c-settings' });
    await sleep(2_000, AbortSignal.timeout(3_000));
    expect(await setting.read(services, 'c')).toBeUndefined();
    const cache = await setting.get();
    expect(condition(cache, 'Degraded')?.reason).not.toBe('ApplyFailed');
    expect(cache.status?.observedGeneration).toBe(cache.metadata.generation);
    // What was promised about the end is still kept.
    await client.delete(kvcaches, { namespace, name });
    await until(
      async () => [await client.get(kvcaches, { namespace, name })],
      ([found]) => found === undefined,
    );
  }, 120_000);
});
