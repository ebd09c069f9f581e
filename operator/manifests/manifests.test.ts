import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { routerEnvironment, shardEnvironment } from '../../process/process-environment.ts';
import { everyField } from '../api/every-field.ts';
import type { KVCacheSpecInput } from '../api/schema.ts';
import type { Manifest } from './manifest.ts';
import { manifestsOf } from './manifests.ts';
import { cacheOf, testContext } from './testing/cache.ts';

interface Container {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[];
  readonly [field: string]: unknown;
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
}

const identity = (kind: string) =>
  kind === 'connectionString'
    ? { identity: { connectionString: { name: 'account' } } }
    : {
        accountURL: 'https://account.blob.core.windows.net',
        identity: { [kind]: kind === 'workloadIdentity' ? {} : { name: 'account' } },
      };

/** Specs that admission would let through. */
const specs: fc.Arbitrary<KVCacheSpecInput> = fc.record(
  {
    shards: fc.record(
      { memory: fc.constantFrom('64Mi', '1Gi', 2 ** 31), podLabels: fc.constant({ a: 'b' }) },
      { requiredKeys: [] },
    ),
    routers: fc.oneof(
      fc.record({ replicas: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ autoscaling: fc.record({ maxReplicas: fc.integer({ min: 2, max: 9 }) }) }),
    ),
    blob: fc.constantFrom('workloadIdentity', 'accountKey', 'sas', 'connectionString').map(identity),
    networkPolicy: fc.record({ enabled: fc.boolean() }),
    security: fc.constantFrom({}, everyField.security),
    monitoring: fc.constantFrom({}, everyField.monitoring),
  },
  { requiredKeys: [] },
);
const someSpecs = [{}, everyField];

function objectsOf(spec: KVCacheSpecInput): Manifest[] {
  return manifestsOf(cacheOf(spec), testContext).filter(({ object }) => object !== undefined);
}

function podSpecs(spec: KVCacheSpecInput): PodSpec[] {
  return objectsOf(spec)
    .map(({ object }) => (object as { spec?: { template?: { spec: PodSpec } } }).spec?.template?.spec)
    .filter((spec) => spec !== undefined);
}

/** Every value within a JSON document with its path. */
function* values(of: unknown, path = ''): Generator<[string, unknown]> {
  yield [path, of];
  if (typeof of !== 'object' || of === null) return;
  for (const [name, member] of Object.entries(of)) yield* values(member, `${path}.${name}`);
}

describe('manifestsOf', () => {
  it('gives the same bytes for the same cache and context', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        expect(JSON.stringify(objectsOf(structuredClone(spec)))).toBe(JSON.stringify(objectsOf(spec)));
      }),
    );
  });

  it('says nothing of what it does not know: neither null nor undefined is sent', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        for (const { object, name } of objectsOf(spec)) {
          for (const [path, value] of values(object)) {
            if (value === null || value === undefined) throw new Error(`${name}${path} is ${value}`);
          }
        }
      }),
    );
  });

  it('names every object once, in the cache’s namespace, with the cache as its owner', () => {
    for (const spec of someSpecs) {
      const objects = objectsOf(spec);
      const keys = objects.map(({ resource, name }) => `${resource.kind}/${name}`);
      expect(new Set(keys).size).toBe(keys.length);
      for (const { resource, name, object } of objects) {
        expect(object).toMatchObject({
          apiVersion: resource.apiVersion,
          kind: resource.kind,
          metadata: {
            name,
            namespace: 'n',
            labels: { 'app.kubernetes.io/instance': 'c', 'app.kubernetes.io/managed-by': 'kvcache-operator' },
            ownerReferences: [{ kind: 'KVCache', name: 'c', controller: true }],
          },
        });
      }
    }
  });

  it('has the names that the documentation promises', () => {
    expect(objectsOf({}).map(({ resource, name }) => `${resource.kind}/${name}`)).toEqual([
      'ServiceAccount/c',
      'ConfigMap/c-settings',
      'ConfigMap/c-topology',
      'NetworkPolicy/c',
      'Service/c-shards',
      'Service/c-routers',
      'Service/c',
      'PodDisruptionBudget/c-shard',
      'PodDisruptionBudget/c-router',
      'StatefulSet/c-shard',
      'Deployment/c-router',
    ]);
  });

  it('lists what should not exist, so that it can be removed', () => {
    const unwanted = manifestsOf(cacheOf({ networkPolicy: { enabled: false } }), testContext)
      .filter(({ object }) => object === undefined)
      .map(({ resource, name }) => `${resource.kind}/${name}`);
    expect(unwanted).toEqual([
      'NetworkPolicy/c',
      'HorizontalPodAutoscaler/c-router',
      'ConfigMap/c-dashboard',
      'ServiceMonitor/c',
    ]);
  });

  it('keeps every name and label within what Kubernetes takes, for the longest name of a cache', () => {
    const cache = cacheOf({ shards: { replicas: 256 } }, 'c'.repeat(40));
    for (const { name, resource } of manifestsOf(cache, testContext)) {
      // Pods and revisions add at most 17 characters to the name of what makes them.
      const most = ['StatefulSet', 'Deployment'].includes(resource.kind) ? 63 - 17 + 1 : 63;
      expect(name.length).toBeLessThanOrEqual(most);
    }
  });
});

describe('pods', () => {
  it('meet the restricted level of pod security', () => {
    for (const pod of someSpecs.flatMap(podSpecs)) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1_000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const { securityContext } of pod.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
      for (const forbidden of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(forbidden);
      for (const volume of pod.volumes) expect(volume).not.toHaveProperty('hostPath');
    }
  });

  it('mount directories, so that updates of ConfigMaps and Secrets arrive', () => {
    for (const pod of someSpecs.flatMap(podSpecs)) {
      for (const mount of pod.containers[0]!.volumeMounts) expect(mount).not.toHaveProperty('subPath');
    }
  });

  it('have no secret in their environment', () => {
    for (const kind of ['accountKey', 'sas', 'connectionString']) {
      for (const { env } of podSpecs({ blob: identity(kind) }).map(({ containers }) => containers[0]!)) {
        for (const variable of env) expect(variable).not.toHaveProperty('valueFrom.secretKeyRef');
      }
    }
  });

  it('of routers see no secret of the Blob account', () => {
    const [shard, router] = podSpecs({ blob: identity('accountKey') });
    expect(JSON.stringify(shard!.volumes)).toContain('blob/account-key');
    expect(JSON.stringify(router!.volumes)).not.toContain('account');
  });

  it('hold on to freed memory where values pass through, and give it back where they stay', () => {
    const [shard, router] = podSpecs({});
    const memory = (pod: typeof shard): unknown[] =>
      pod!.containers[0]!.env.filter(({ name }) => name.startsWith('MALLOC_'));
    const variables = (of: Readonly<Record<string, string>>): unknown[] =>
      Object.entries(of).map(([name, value]) => ({ name, value }));
    const { NODE_OPTIONS: _shards, ...ofShards } = shardEnvironment;
    const { NODE_OPTIONS: _routers, ...ofRouters } = routerEnvironment;
    expect(memory(shard)).toEqual(variables(ofShards));
    expect(memory(router)).toEqual(variables(ofRouters));
  });

  it('take a variable of the user in place of the operator’s own', () => {
    const extraEnv = [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=100' }];
    const [shard] = podSpecs({ shards: { extraEnv } });
    const given = shard!.containers[0]!.env.filter(({ name }) => name === 'NODE_OPTIONS');
    expect(given).toEqual(extraEnv);
  });

  it('are asked by HTTPS where the doors speak TLS', () => {
    const [plain] = podSpecs({});
    const [tls] = podSpecs({ security: { tls: { secretName: 's' } } });
    expect(JSON.stringify(plain)).not.toContain('HTTPS');
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      expect(tls!.containers[0]![probe]).toMatchObject({ httpGet: { scheme: 'HTTPS' } });
    }
  });

  it('have the memory that their shard may come to', () => {
    const resourcesOf = (spec: KVCacheSpecInput) => podSpecs(spec)[0]!.containers[0]!['resources'];
    expect(resourcesOf({})).toEqual({ requests: { cpu: '100m', memory: '1472Mi' }, limits: { memory: '1472Mi' } });
    expect(resourcesOf({ shards: { memory: '64Mi', resources: { limits: { memory: '1Gi', cpu: 2 } } } })).toEqual({
      requests: { cpu: '100m', memory: '1Gi' },
      limits: { memory: '1Gi', cpu: '2' },
    });
  });
});

describe('budgets', () => {
  it('let a single pod be evicted', () => {
    const budgets = objectsOf({ shards: { replicas: 1 }, routers: { replicas: 1 } }).filter(
      ({ resource }) => resource.kind === 'PodDisruptionBudget',
    );
    expect(budgets).toHaveLength(2);
    for (const { object } of budgets) {
      expect(object).toMatchObject({ spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' } });
      expect(object).not.toHaveProperty('spec.minAvailable');
    }
  });
});

describe('the network policy', () => {
  it('keeps the internal port to shards, routers and the operator', () => {
    const policy = objectsOf({}).find(({ resource }) => resource.kind === 'NetworkPolicy')!;
    const { ingress } = (policy.object as { spec: { ingress: { ports: { port: string }[]; from?: object[] }[] } }).spec;
    const link = ingress.filter(({ ports }) => ports.some(({ port }) => port === 'link'));
    expect(link).toEqual([
      {
        ports: [{ protocol: 'TCP', port: 'link' }],
        from: [
          { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'kvcache', 'app.kubernetes.io/instance': 'c' } } },
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kvcache-system' } },
            podSelector: { matchLabels: { 'app.kubernetes.io/name': 'kvcache-operator' } },
          },
        ],
      },
    ]);
  });
});

describe('the routers’ Deployment', () => {
  it('leaves the number of routers to the autoscaler where there is one', () => {
    const deploymentOf = (routers: object) =>
      objectsOf({ routers }).find(({ resource }) => resource.kind === 'Deployment')!.object;
    expect(deploymentOf({})).toHaveProperty('spec.replicas', 2);
    expect(deploymentOf({ autoscaling: { maxReplicas: 3 } })).not.toHaveProperty('spec.replicas');
  });
});
