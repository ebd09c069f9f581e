/**
 * What cannot work is refused when it is applied, by the API server alone, in a sentence that says what would be right.
 * Where a rule is about changes, the object is there before, and paused: nothing is made of it.
 */
import { describe, expect, test } from 'vitest';
import { invalidSpecs } from '../../../operator/api/invalid-specs.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('invalid-specs', { steps: 'independent' });
let made = 0;

function manifest(name: string, spec: object) {
  const metadata = { name, namespace: scenario.namespace };
  return { apiVersion: 'kvcache.dev/v1alpha1', kind: 'KVCache', metadata, spec };
}

describe('the API server refuses', () => {
  test.each(invalidSpecs)('$title', async ({ name = `cache-${made++}`, before, spec, message }) => {
    const { kube } = scenario;
    if (before === undefined) {
      await expect(kube.create(manifest(name, spec), { dryRun: true })).rejects.toThrow(message);
      return;
    }
    await kube.create(manifest(name, { ...before, paused: true }));
    const refused = kube.replace(manifest(name, { ...spec, paused: true }), { dryRun: true });
    await expect(refused).rejects.toThrow(message);
  });
});

describe('the API server accepts', () => {
  test('an empty spec, and fills in its defaults', async () => {
    const object = await scenario.kube.apply(manifest('empty', {}), { dryRun: true });
    expect(object).toMatchObject({
      spec: { shards: { replicas: 3, memory: '1Gi', fsync: 'everysec' }, deletionPolicy: 'Retain', paused: false },
    });
  });

  test('a larger disk, in other units too', async () => {
    const { kube } = scenario;
    const spec = (size: string) => ({ paused: true, shards: { storage: { size } } });
    await kube.apply(manifest('grows', spec('2Gi')));
    await expect(kube.apply(manifest('grows', spec('2049Mi')), { dryRun: true })).resolves.toBeDefined();
  });
});

test('kubectl shows the sentence to whoever applied it', async () => {
  const { kube, namespace } = scenario;
  const spec = { shards: { memory: '1Gi', resources: { limits: { memory: '1Gi' } } } };
  const input = JSON.stringify(manifest('shown', spec));
  const { code, err } = await kube.kubectlOutcome(['apply', '-n', namespace, '-f', '-'], { input });
  expect(code).not.toBe(0);
  expect(err).toContain('spec.shards.resources.limits.memory must be at least 1.25 × spec.shards.memory + 192Mi');
});
