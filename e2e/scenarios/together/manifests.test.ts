/**
 * Every manifest that people install is one that the API server takes and that the restricted pod-security level has
 * nothing to say against: the chart with everything switched on, the plain manifests, the examples.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { helm } from '../../harness/chart.ts';
import { operatorNamespace } from '../../harness/environment.ts';
import { chartFolder, rootFolder } from '../../harness/images.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('manifests', { steps: 'independent' });

beforeAll(async () => {
  const { kube, namespace } = scenario;
  // `enforce` is about pods only; `warn` tells of Deployments and the like whose pods would be refused.
  const labels = { 'pod-security.kubernetes.io/warn': 'restricted' };
  await kube.patch('Namespace', namespace, undefined, { metadata: { labels } });
});

/** What kubectl says beside its results. */
async function dryRun(manifests: string): Promise<string> {
  const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', '-'];
  const { code, out, err } = await scenario.kube.kubectlOutcome(args, { input: manifests });
  if (code !== 0) throw new Error(err);
  expect(out).toContain('serverside-applied');
  return err;
}

async function rendered(sets: readonly string[]): Promise<string> {
  const { kube, namespace } = scenario;
  const server = JSON.parse(await kube.request('GET', '/version')) as { gitVersion: string };
  const args = ['template', 'kvcache', chartFolder, '--namespace', namespace, '--kube-version', server.gitVersion];
  return helm(kube, [...args, ...sets.flatMap((set) => ['--set', set])]);
}

describe('the chart', () => {
  const everything = ['operator.replicas=2', 'dashboard.enabled=true', 'cache.enabled=true', 'azurite.enabled=true'];
  test.each([
    ['with its defaults', []],
    ['with two operators, a dashboard and a cache on Azurite', everything],
    ['for some namespaces only', ['watchNamespaces={default}']],
  ])('%s', async (_what, sets) => {
    expect(await dryRun(await rendered(sets))).not.toContain('violate');
  });

  test('refuses a value that its schema does not know', async () => {
    await expect(rendered(['operator.replica=2'])).rejects.toThrow(/replica/u);
  });
});

describe('every file of', () => {
  test.each(['deploy', 'examples'])('%s/', async (folder) => {
    const files = (await readdir(join(rootFolder, folder))).filter((name) => /\.ya?ml$/u.test(name));
    expect(files).not.toEqual([]);
    for (const file of files) {
      const text = await readFile(join(rootFolder, folder, file), 'utf8');
      // Objects of a namespace that the file itself makes would be refused, for a dry run makes none.
      const manifests = text.replaceAll(operatorNamespace, scenario.namespace);
      expect(await dryRun(manifests), file).not.toContain('violate');
    }
  });
});
