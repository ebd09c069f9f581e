/**
 * What cannot work is refused when it is applied, by the API server alone, in a sentence that says what would be right.
 * Nothing is created: every request is a dry run, but for the object whose edits are refused.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { CacheSpec } from '../../harness/cache.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('invalid-specs', { steps: 'independent' });

/** Specs that TypeScript would refuse too are part of what people write. */
type Written = Readonly<Record<string, unknown>>;

async function apply(spec: Written, name = 'refused'): Promise<string> {
  const { kube, namespace } = scenario;
  const metadata = { name, namespace };
  try {
    await kube.apply({ apiVersion: 'kvcache.dev/v1alpha1', kind: 'KVCache', metadata, spec }, { dryRun: true });
    return 'accepted';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the API server refuses', () => {
  const connectionString = { connectionString: { name: 'azure' } };
  const cases: readonly (readonly [what: string, spec: Written, sentence: string])[] = [
    [
      'a pod limit below what the shard’s memory needs',
      { shards: { memory: '1Gi', resources: { limits: { memory: '1Gi' } } } },
      'spec.shards.resources.limits.memory must be at least 1.25 × spec.shards.memory + 128Mi',
    ],
    ['too little memory', { shards: { memory: '16Mi' } }, 'spec.shards.memory must be at least 64Mi'],
    ['too small a disk', { shards: { storage: { size: '1Mi' } } }, 'spec.shards.storage.size must be at least 64Mi'],
    ['no shards at all', { shards: { replicas: 0 } }, 'should be greater than or equal to 1'],
    [
      'acknowledgement from Blob without Blob',
      { shards: { acknowledgement: 'blob' } },
      "spec.shards.acknowledgement is 'blob', which needs spec.blob",
    ],
    [
      'restoring from Blob without Blob',
      { nodeLossPolicy: 'RestoreFromBlob' },
      "spec.nodeLossPolicy is 'RestoreFromBlob', which needs spec.blob",
    ],
    [
      'two identities for one account',
      {
        blob: { accountURL: 'https://a.blob.core.windows.net', identity: { sas: { name: 's' }, workloadIdentity: {} } },
      },
      'spec.blob.identity must have exactly one of workloadIdentity, accountKey, sas and connectionString',
    ],
    [
      'a connection string beside an account URL',
      { blob: { accountURL: 'https://a.blob.core.windows.net', identity: connectionString } },
      'spec.blob.accountURL is needed unless spec.blob.identity.connectionString names the account, and excludes it',
    ],
    [
      'an identity without an account',
      { blob: { identity: { workloadIdentity: {} } } },
      'spec.blob.accountURL is needed unless',
    ],
    [
      'a number of routers beside their autoscaling',
      { routers: { replicas: 2, autoscaling: { maxReplicas: 4 } } },
      'spec.routers.replicas and spec.routers.autoscaling exclude each other',
    ],
    [
      'autoscaling with the fewest above the most',
      { routers: { autoscaling: { minReplicas: 5, maxReplicas: 4 } } },
      'spec.routers.autoscaling.minReplicas must not be above maxReplicas',
    ],
    [
      'two doors on one port',
      { listeners: { grpc: { port: 8_080 } } },
      'spec.listeners: grpc and http must have different ports',
    ],
    [
      'no door at all',
      { listeners: { grpc: { enabled: false }, http: { enabled: false } } },
      'at least one of grpc and http',
    ],
    [
      'a variable that the operator sets',
      { shards: { extraEnv: [{ name: 'KVCACHE_SHARD_NAME', value: 'other' }] } },
      'extraEnv must not set KVCACHE_SHARD_NAME',
    ],
    ['a size that is none', { shards: { memory: '1 gigabyte' } }, 'spec.shards.memory'],
    ['a word that is not one of the choices', { shards: { fsync: 'sometimes' } }, '"always", "everysec", "never"'],
    ['a misspelt field', { shards: { replica: 3 } }, '.spec.shards.replica: field not declared in schema'],
  ];
  test.each(cases)('%s', async (_what, spec, sentence) => {
    expect(await apply(spec)).toContain(sentence);
  });

  test('a name that pods and Services cannot be named after', async () => {
    expect(await apply({}, 'a'.repeat(41))).toContain('metadata.name must be at most 40 lower-case letters');
    expect(await apply({}, 'c-shards')).toContain('metadata.name must not end in -shards or -routers');
  });

  test('nothing of an empty spec, and fills in its defaults', async () => {
    const { kube, namespace } = scenario;
    const metadata = { name: 'cache', namespace };
    const manifest = { apiVersion: 'kvcache.dev/v1alpha1', kind: 'KVCache', metadata, spec: {} };
    const object = await kube.apply(manifest, { dryRun: true });
    expect(object).toMatchObject({
      spec: { shards: { replicas: 3, memory: '1Gi', fsync: 'everysec' }, deletionPolicy: 'Retain', paused: false },
    });
  });
});

describe('of an object that is there, the API server refuses', () => {
  const spec = {
    // Nothing is to be made of it.
    paused: true,
    shards: { storage: { size: '2Gi', storageClassName: 'standard' } },
    blob: { container: 'one', prefix: 'a/b', identity: { connectionString: { name: 'azure' } } },
  } satisfies CacheSpec;
  beforeAll(async () => {
    await scenario.cache('cache', spec);
  });

  const edits: readonly (readonly [what: string, edit: Written, sentence: string])[] = [
    [
      'a smaller disk',
      { shards: { storage: { size: '1Gi' } } },
      'spec.shards.storage.size may grow and not shrink: a disk cannot be made smaller',
    ],
    [
      'another storage class',
      { shards: { storage: { storageClassName: 'fast' } } },
      'spec.shards.storage.storageClassName cannot be changed',
    ],
    ['another container', { blob: { container: 'two' } }, 'spec.blob.container cannot be changed: the blobs lie there'],
    ['another prefix', { blob: { prefix: 'c' } }, 'spec.blob.prefix cannot be changed: the blobs lie there'],
    ['no prefix', { blob: { prefix: null } }, 'spec.blob.prefix cannot be changed: the blobs lie there'],
    ['the end of Blob', { blob: null }, 'spec.blob cannot be removed'],
  ];
  test.each(edits)('%s', async (_what, edit, sentence) => {
    const { kube, namespace } = scenario;
    const refused = kube.patch('KVCache', 'cache', namespace, { spec: edit });
    await expect(refused).rejects.toThrow(sentence);
  });

  test('nothing of a larger disk written in other units', async () => {
    const { kube, namespace } = scenario;
    const edit = { spec: { shards: { storage: { size: '3072Mi' } } } };
    await expect(kube.patch('KVCache', 'cache', namespace, edit)).resolves.toBeDefined();
  });
});
