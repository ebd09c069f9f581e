/**
 * A KVCache in which every field is set works, and every field, edited once, reaches what it is about: the pods' template,
 * the settings that running processes take, an object beside them; or is refused with the reason.
 *
 * The fields, the edits and what each must bring about are data of the API's own (operator/api/every-field.ts). Edits are
 * made one after the other, each on the whole spec, so that each takes the one before back. Waiting for the pods after
 * every one would take an hour: templates are looked at after each, and the pods after the last. What running processes
 * take costs no pod, and is followed into every process.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everyField, edited, type FieldEdit, fieldEdits } from '../../../operator/api/every-field.ts';
import { type SettingName, settingOf } from '../../../settings/schema.ts';
import { TestAuthority } from '../../../testing/certificates.ts';
import { azuriteAccountKey } from '../../../azurite/azurite.ts';
import { startAzurite } from '../../harness/azurite.ts';
import { Cache, type CacheSpec, type Component, merged } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import type { Kind } from '../../harness/kube.ts';
import type { KubeObject, Pod, Workload } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('every-field');
const seenWithin = { timeoutMs: 30_000 };
/** The StatefulSet of the shards and the Deployment of the routers. */
const workloads = { shard: 'StatefulSet', router: 'Deployment' } as const;
const serviceMonitors = 'servicemonitors.monitoring.coreos.com';
let base: CacheSpec;
let cache: Cache;
let madeServiceMonitors = false;

afterAll(async () => {
  if (madeServiceMonitors) await scenario.kube.delete('CustomResourceDefinition', serviceMonitors);
});

async function secret(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
  const { kube, namespace } = scenario;
  await kube.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData });
}

async function certificates(name: string, host: string): Promise<void> {
  const authority = new TestAuthority();
  const { cert, key } = authority.issue(host, { names: [host] });
  await secret(name, { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert, 'authority.crt': authority.cert });
}

/** What a ServiceMonitor is, as far as the API server is asked; the Prometheus operator brings the whole of it. */
async function serviceMonitorDefinition(): Promise<void> {
  const { kube } = scenario;
  if (await kube.find('CustomResourceDefinition', serviceMonitors)) return;
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await kube.apply({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: serviceMonitors },
    spec: {
      group: 'monitoring.coreos.com',
      names: { kind: 'ServiceMonitor', plural: 'servicemonitors' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  madeServiceMonitors = true;
}

test('a KVCache with every field set becomes ready', async () => {
  const { kube, namespace, environment } = scenario;
  await serviceMonitorDefinition();
  await startAzurite(kube, environment.images.azurite, namespace);
  for (const suffix of ['', '-2']) {
    await certificates(`every-field-tls${suffix}`, `c.${namespace}.svc`);
    await certificates(`every-field-link-tls${suffix}`, 'kvcache.example');
    await secret(`every-field-auth${suffix}`, { token: 'one', password: 'two', other: 'three' });
    await secret(`every-field-link${suffix}`, { secret: 'four', other: 'five' });
    await secret(`every-field-blob${suffix}`, { accountKey: azuriteAccountKey, second: azuriteAccountKey });
  }
  base = { ...everyField, image: environment.images.product };
  cache = new Cache(kube, namespace, 'c');
  await cache.applyExactly(base);
  await cache.untilSettled();
});

/** What an edit is about, as it is now: another text after the edit means that it got there. */
async function subjectOf({ effect }: FieldEdit, of: Cache): Promise<string> {
  const { kube, namespace, name } = of;
  if (effect.kind === 'pods') {
    const templates = effect.components.map(async (component) => {
      const { spec } = await kube.get<Workload>(workloads[component], `${name}-${component}`, namespace);
      return JSON.stringify(spec.template);
    });
    return (await Promise.all(templates)).join('\n');
  }
  if (effect.kind === 'live') {
    const { data } = await kube.get<KubeObject & { data: object }>('ConfigMap', `${name}-settings`, namespace);
    return JSON.stringify(data);
  }
  if (effect.kind === 'object') {
    const [kind, object] = effect.object.replace('/c', `/${name}`).split('/') as [Kind, string];
    const found = await kube.find<KubeObject & { spec?: unknown; data?: unknown }>(kind, object, namespace);
    return JSON.stringify([found?.metadata.labels, found?.metadata.annotations, found?.spec, found?.data]);
  }
  return JSON.stringify((await of.object()).status?.observedGeneration);
}

async function expectToArrive(edit: FieldEdit, of: Cache, spec: CacheSpec): Promise<void> {
  const { effect } = edit;
  if (effect.kind === 'refused') {
    await expect(of.applyExactly(edited(spec, edit) as CacheSpec)).rejects.toThrow(effect.message);
    return;
  }
  await of.applyExactly(spec);
  await untilObserved(of);
  const before = await subjectOf(edit, of);
  await of.applyExactly(edited(spec, edit) as CacheSpec);
  await eventually(`${edit.path} has arrived`, async () => (await subjectOf(edit, of)) !== before, seenWithin);
}

async function untilObserved(of: Cache): Promise<void> {
  await eventually(
    `the operator has seen the spec of ${of.name}`,
    async () => {
      const { metadata, status } = await of.object();
      return status?.observedGeneration === metadata.generation;
    },
    seenWithin,
  );
}

describe('edited, it arrives or is refused:', () => {
  test.each(fieldEdits.filter((edit) => edit.base === undefined))('$path', async (edit) => {
    await expectToArrive(edit, cache, base);
    // A disk that has grown stays so: what follows builds on it.
    if (edit.path === 'shards.storage.size') base = edited(base, edit) as CacheSpec;
  });

  const small: CacheSpec = {
    shards: { replicas: 1, memory: '64Mi', storage: { size: '64Mi' } },
    routers: { resources: { requests: { cpu: '10m' } } },
  };
  const others = fieldEdits.filter((edit) => edit.base !== undefined);
  test.each(others.map((edit, index) => ({ path: edit.path, edit, name: `other-${index}` })))(
    '$path, on a spec of its own',
    async ({ edit, name }) => {
      const other = new Cache(scenario.kube, scenario.namespace, name);
      await expectToArrive(edit, other, merged(small, edit.base as CacheSpec));
      await other.delete();
    },
  );
});

test('after many edits at once, the pods have them all', async () => {
  const { environment } = scenario;
  const paths = 'shards.memory shards.fsync shards.extraEnv shards.podAnnotations blob.flushInterval'.split(' ');
  const spec = fieldEdits
    .filter(({ path }) => paths.includes(path))
    .reduce((spec, edit) => edited(spec, edit) as CacheSpec, base);
  // The same image by its full name: another reference is another template.
  base = { ...spec, image: `docker.io/library/${environment.images.product}` };
  await cache.applyExactly(base);
  await cache.untilSettled({ timeoutMs: 300_000 });
  for (const { metadata, spec } of await cache.pods('shard')) {
    expect(metadata.annotations).toMatchObject({ 'example.com/note': 'edited' });
    expect(spec.containers[0]?.image).toBe(`docker.io/library/${environment.images.product}`);
    expect(spec.containers[0]?.env).toContainEqual({ name: 'EVERY_FIELD', value: 'edited' });
  }
});

describe('edited, running processes go by it, and none is restarted:', () => {
  let client: ClientPod;
  let uids: (string | undefined)[];

  /** What a pod says that it uses, over HTTPS, as an administrator would ask it. */
  async function settingIn(pod: Pod, setting: SettingName): Promise<unknown> {
    const { status, body } = await client.attemptHttp({
      host: pod.status.podIP!,
      port: everyField.listeners.http.port,
      path: '/api/v1/config',
      serverName: `c.${scenario.namespace}.svc`,
      caFile: '/secrets/every-field-tls/ca.crt',
      token: 'one',
    });
    if (status !== 200) throw new Error(`${pod.metadata.name} answers ${status}: ${body}`);
    return setting.split('.').reduce((at: unknown, name) => (at as Record<string, unknown>)[name], JSON.parse(body));
  }

  beforeAll(async () => {
    client = await scenario.client(cache, { secrets: ['every-field-tls'] });
    uids = (await cache.pods()).map(({ metadata }) => metadata.uid);
  });

  /** The pods whose processes have this setting, and what it is there. */
  async function valuesOf(setting: SettingName): Promise<unknown[]> {
    const pods = (await cache.pods()).filter(({ metadata }) =>
      settingOf(setting).usedBy.includes(metadata.labels!['app.kubernetes.io/component'] as Component),
    );
    return Promise.all(pods.map((pod) => settingIn(pod, setting)));
  }

  const before = new Map<SettingName, unknown[]>();
  const live = fieldEdits.flatMap((edit) => (edit.effect.kind === 'live' ? [{ ...edit, ...edit.effect }] : []));
  test.each(live)('$path', async ({ setting, ...edit }) => {
    const values = await valuesOf(setting);
    before.set(setting, values);
    expect(values.length).toBeGreaterThan(0);
    await cache.applyExactly(edited(base, edit) as CacheSpec);
    const after = await eventually(
      `every process goes by ${edit.path}`,
      async () => {
        const now = await valuesOf(setting);
        return now.every((value, index) => value !== values[index]) ? now : notYet(now);
      },
      seenWithin,
    );
    expect(new Set(after).size).toBe(1);
    expect((await cache.pods()).map(({ metadata }) => metadata.uid)).toEqual(uids);
  });

  test('and taken back, it is as it was', async () => {
    await cache.applyExactly(base);
    for (const [setting, values] of before) {
      await eventually(
        `${setting} is as it was`,
        async () => {
          const now = await valuesOf(setting);
          return now.join() === values.join() || notYet(now);
        },
        seenWithin,
      );
    }
  });
});
