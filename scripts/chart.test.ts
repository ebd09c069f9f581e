/** The chart: what it renders in its modes, and that files made from it are as it is. Rendering needs Helm. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { crdName, crdPath } from '../operator/api/crd.ts';
import { apiVersion } from '../operator/api/schema.ts';
import { loadSettings } from '../settings/load.ts';
import { chartFiles } from './chart-files.ts';
import {
  chartFolder,
  hasHelm,
  type Manifest,
  plainManifests,
  plainManifestsPath,
  plainNamespace,
  renderChart,
} from './plain-manifests.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const crd = read(crdPath);
const chart = parse(read('charts/kvcache/Chart.yaml')) as {
  version: string;
  appVersion: string;
  annotations: Record<string, string>;
};

test('files of the chart that are made from the program are as it says', () => {
  for (const [path, content] of chartFiles()) expect([path, read(path)]).toEqual([path, content]);
});

test('the plain manifests have the CRD as it lies in crds/', () => {
  expect(read(plainManifestsPath)).toContain(`---\n${crd.replace(/^#.*\n/, '')}---\n`);
});

test('the chart has the version of the program', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  expect(chart).toMatchObject({ version, appVersion: version });
});

test('what the chart tells Artifact Hub of the CRD is so', () => {
  const [kind] = parse(chart.annotations['artifacthub.io/crds']!) as { kind: string; name: string; version: string }[];
  const definition = parse(crd) as { spec: { names: { kind: string }; versions: { name: string }[] } };
  expect(kind).toMatchObject({
    kind: definition.spec.names.kind,
    name: crdName,
    version: definition.spec.versions[0]!.name,
  });
});

const modes: Readonly<Record<string, readonly string[]>> = {
  'by default': [],
  'with everything': [
    'operator.replicas=2',
    'dashboard.enabled=true',
    'metrics.serviceMonitor.enabled=true',
    'cache.enabled=true',
    'azurite.enabled=true',
    'imagePullSecrets[0].name=registry',
    'operator.extraEnv[0].name=A',
    'operator.extraEnv[0].value=b',
    'serviceAccount.annotations.a=b',
  ],
  'in two namespaces': ['watchNamespaces={one,two}'],
  'without what can be left out': [
    'crds.install=false',
    'rbac.create=false',
    'serviceAccount.create=false',
    'serviceAccount.name=other',
    'metrics.service.enabled=false',
    'networkPolicy.enabled=false',
  ],
};

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: object;
}
interface PodSpec {
  readonly securityContext: object;
  readonly containers: readonly Container[];
}

function render(...values: readonly string[]): Manifest[] {
  return renderChart('--namespace', 'system', ...values.flatMap((value) => ['--set', value]));
}

function podSpecOf({ kind, spec }: Manifest): PodSpec | undefined {
  if (kind === 'Pod') return spec as PodSpec;
  return (spec as { template?: { spec?: PodSpec } } | undefined)?.template?.spec;
}

const names = (objects: readonly Manifest[]): string[] =>
  objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
const clusterScoped = new Set(['CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding']);

describe.skipIf(!hasHelm())('the chart, rendered', () => {
  test('is what the plain manifests say', () => {
    expect(read(plainManifestsPath)).toBe(plainManifests(crd));
  });

  test.each(Object.keys(modes))('%s: every object has its place, its labels, and a name of its own', (mode) => {
    const objects = render(...modes[mode]!);
    const keys = objects.map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { kind, metadata } of objects) {
      if (kind === 'CustomResourceDefinition') continue;
      expect([kind, metadata.namespace]).toEqual([
        kind,
        clusterScoped.has(kind) ? undefined : (expect.any(String) as string),
      ]);
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/name': expect.any(String) as string,
        'app.kubernetes.io/instance': 'kvcache',
        'app.kubernetes.io/version': chart.appVersion,
        'app.kubernetes.io/managed-by': 'Helm',
        'helm.sh/chart': `kvcache-${chart.version}`,
      });
    }
  });

  test.each(Object.keys(modes))('%s: every pod keeps to the restricted pod security level', (mode) => {
    const pods = render(...modes[mode]!).flatMap((object) => podSpecOf(object) ?? []);
    expect(pods.length).toBeGreaterThanOrEqual(2);
    for (const { securityContext, containers } of pods) {
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const container of containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  test('the CRD outlives the release, unless the user says otherwise', () => {
    const definition = (...values: string[]): Manifest =>
      render(...values).find(({ kind }) => kind === 'CustomResourceDefinition')!;
    expect(definition().metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect(definition('crds.keep=false').metadata.annotations).toBeUndefined();
    expect({ ...definition(), metadata: { name: crdName } }).toEqual(parse(crd));
  });

  test('the whole cluster is watched by a ClusterRole, namespaces by a Role in each', () => {
    const everywhere = render();
    expect(names(everywhere)).toContain('ClusterRole/system-kvcache-operator');
    const environment = (objects: readonly Manifest[]) =>
      objects.flatMap((object) => podSpecOf(object)?.containers ?? []).find(({ name }) => name === 'operator')!.env!;
    expect(environment(everywhere).map(({ name }) => name)).not.toContain('KVCACHE_OPERATOR_WATCH_NAMESPACES');
    const two = render('watchNamespaces={one,two}');
    const roles = two.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'system-kvcache-operator');
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(['one', 'two']);
    expect(names(two)).toContain('ClusterRole/system-kvcache-operator');
    const narrow = render('watchNamespaces={one}', 'rbac.clusterReads=false', 'rbac.aggregate=false');
    expect(names(narrow).filter((name) => name.startsWith('ClusterRole'))).toEqual([]);
    expect(environment(two)).toContainEqual({ name: 'KVCACHE_OPERATOR_WATCH_NAMESPACES', value: 'one,two' });
  });

  test('the operator is given settings that it knows', () => {
    for (const values of Object.values(modes)) {
      const containers = render(...values).flatMap((object) => podSpecOf(object)?.containers ?? []);
      const operator = containers.find(({ name }) => name === 'operator');
      const ours = (operator?.env ?? []).filter(({ name }) => name.startsWith('KVCACHE_'));
      const environment = Object.fromEntries(ours.map(({ name, value = 'from-the-pod' }) => [name, value]));
      const { settings, warnings } = loadSettings({ role: 'operator', flags: {}, environment });
      expect(warnings).toEqual([]);
      expect(settings).toMatchObject({ 'operator.image': `kvcache:${chart.appVersion}`, 'http.port': 8_080 });
    }
  });

  test('roles name what they allow: no wildcard anywhere', () => {
    const rules = [...render(), ...render('watchNamespaces={one}')].flatMap(
      (object) => (object as { rules?: Record<string, string[]>[] }).rules ?? [],
    );
    expect(rules.length).toBeGreaterThan(10);
    for (const rule of rules) expect(Object.values(rule).flat()).not.toContain('*');
  });

  test('there is a disruption budget only where it leaves a replica to move', () => {
    expect(names(render())).not.toContain('PodDisruptionBudget/kvcache-operator');
    expect(names(render('operator.replicas=2'))).toContain('PodDisruptionBudget/kvcache-operator');
  });

  test('an image is its digest where there is one, else its tag, else this version', () => {
    const image = (...values: string[]): string =>
      render(...values).flatMap((object) => podSpecOf(object)?.containers ?? [])[0]!.image;
    expect(image()).toBe(`kvcache:${chart.appVersion}`);
    expect(image('image.repository=r.example/k', 'image.tag=t')).toBe('r.example/k:t');
    expect(image(`image.digest=sha256:${'0'.repeat(64)}`)).toBe(`kvcache@sha256:${'0'.repeat(64)}`);
  });

  test('a cache gets the release’s Azurite unless it has Blob of its own', () => {
    const cache = (...values: string[]): object => {
      const found = render('cache.enabled=true', ...values).find(({ data }) => data?.['kvcache.json'] !== undefined);
      return JSON.parse(found!.data!['kvcache.json']!) as object;
    };
    expect(cache()).toEqual({
      apiVersion,
      kind: 'KVCache',
      metadata: { name: 'example', namespace: 'system' },
      spec: {},
    });
    const azurite = { identity: { connectionString: { name: 'kvcache-azurite' } } };
    expect(cache('azurite.enabled=true')).toMatchObject({ spec: { blob: azurite } });
    const given = cache('azurite.enabled=true', 'cache.spec.blob.container=own', 'cache.spec.shards.replicas=2');
    expect(given).toMatchObject({ spec: { blob: { container: 'own' }, shards: { replicas: 2 } } });
    expect(given).not.toHaveProperty('spec.blob.identity');
  });

  test('a cache is applied after install and upgrade, by what is gone afterwards', () => {
    const before = new Set(names(render()));
    const added = render('cache.enabled=true').filter(({ kind, metadata }) => !before.has(`${kind}/${metadata.name}`));
    expect(added.map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'Job', 'Role', 'RoleBinding', 'ServiceAccount']);
    for (const { metadata } of added) {
      expect(metadata.annotations).toMatchObject({
        'helm.sh/hook': 'post-install,post-upgrade',
        'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
      });
    }
  });

  test.each([
    ['operator.replica=2', "additional properties 'replica' not allowed"],
    ['operator.replicas=two', 'operator/replicas'],
    ['watchNamespaces={Upper}', 'watchNamespaces/0'],
    ['image.digest=abc', 'image/digest'],
    ['serviceAccount.create=false', 'serviceAccount.name is needed'],
    ['metrics.service.enabled=false,metrics.serviceMonitor.enabled=true', 'needs metrics.service.enabled'],
  ])('a wrong value is refused in words: %s', (value, words) => {
    expect(() => render(value)).toThrow(words);
  });
});

/** Paths of the values that are no maps, or empty ones. */
function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]];
  const entries = Object.entries(value);
  return entries.length === 0 ? [[...path]] : entries.flatMap(([key, member]) => leaves(member, [...path, key]));
}

test('every value is known to the schema', () => {
  const values = parseDocument(read('charts/kvcache/values.yaml')).toJS() as object;
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly definitions?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: unknown;
    readonly $ref?: string;
  }
  const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as Schema;
  for (const path of leaves(values)) {
    let node: Schema | undefined = schema;
    for (const key of path) {
      if (node?.$ref) node = schema.definitions![node.$ref.replace('#/definitions/', '')];
      // What the chart hands on as it is has no members of its own in the schema.
      if (node?.properties === undefined) break;
      node = node.properties[key];
      expect([path.join('.'), node]).toEqual([path.join('.'), expect.anything()]);
    }
  }
});

test('plain manifests make their namespace, under the restricted level', () => {
  const text = read(plainManifestsPath);
  expect(text).toContain(`  name: ${plainNamespace}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n`);
  // `kubectl apply -f` makes them one after the other: what lies in the namespace cannot come before it.
  expect(Array.from(text.matchAll(/^kind: (\w+)$/gm), ([, kind]) => kind).slice(0, 2)).toEqual([
    'Namespace',
    'CustomResourceDefinition',
  ]);
});
