import { describe, expect, it } from 'vitest';
import { edited, everyField, fieldEdits } from '../api/every-field.ts';
import { openAPISchema } from '../api/crd.ts';
import type { KVCacheSpecInput } from '../api/schema.ts';
import type { StructuralSchema } from '../api/structural.ts';
import type { Manifest } from './manifest.ts';
import { manifestsOf } from './manifests.ts';
import type { Component } from './names.ts';
import { liveSettings } from './settings.ts';
import { cacheOf, testContext } from './testing/cache.ts';

/** Fields whose members Kubernetes defines: an edit of the whole stands for all of them. */
const handedOn = /\.(affinity|tolerations|topologySpreadConstraints|extraEnv|requests|limits)$/;

function* leaves(schema: StructuralSchema, path: string): Generator<string> {
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0 || handedOn.test(path)) yield path;
  else for (const [name, member] of members) yield* leaves(member, path === '' ? name : `${path}.${name}`);
}

interface Built {
  readonly objects: ReadonlyMap<string, string>;
  /** The pod templates, whose change replaces pods. */
  readonly templates: Readonly<Record<Component, string>>;
  readonly live: Readonly<Record<string, unknown>>;
}

function build(spec: KVCacheSpecInput): Built {
  const cache = cacheOf(spec);
  const manifests = manifestsOf(cache, testContext);
  const key = ({ resource, name }: Manifest): string => `${resource.kind}/${name}`;
  const template = (kind: string): string => {
    const { object } = manifests.find(({ resource }) => resource.kind === kind)!;
    return JSON.stringify((object as { spec: { template: object } }).spec.template);
  };
  return {
    objects: new Map(manifests.map((manifest) => [key(manifest), JSON.stringify(manifest.object)])),
    templates: { shard: template('StatefulSet'), router: template('Deployment') },
    live: { ...liveSettings(cache, 'router'), ...liveSettings(cache, 'shard') },
  };
}

function replaced(before: Built, after: Built): Component[] {
  return (['shard', 'router'] as const).filter(
    (component) => before.templates[component] !== after.templates[component],
  );
}

function changedObjects(before: Built, after: Built): string[] {
  return [...after.objects].filter(([key, body]) => before.objects.get(key) !== body).map(([key]) => key);
}

describe('every field of the spec', () => {
  it('has an edit', () => {
    const known = new Set(fieldEdits.map(({ path }) => path));
    const paths = [...leaves(openAPISchema().properties!['spec']!, '')].map((path) => path.replace(/\[\].*/, ''));
    expect(paths.filter((path) => !known.has(path))).toEqual([]);
    expect([...known].filter((path) => !paths.includes(path))).toEqual([]);
  });

  let spec: KVCacheSpecInput = everyField;
  it.each(fieldEdits.map((edit) => [edit.path, edit] as const))('%s brings about what it should', (_, edit) => {
    const from = edit.base ?? spec;
    const to = edited(from, edit);
    const before = build(from);
    const after = build(to);
    const { effect } = edit;
    if (edit.base === undefined && effect.kind !== 'refused') spec = to;
    if (effect.kind === 'pods') {
      expect(replaced(before, after)).toEqual(effect.components);
    } else if (effect.kind === 'live') {
      expect(replaced(before, after)).toEqual([]);
      expect(after.live[effect.setting]).not.toEqual(before.live[effect.setting]);
      expect(changedObjects(before, after)).toEqual(['ConfigMap/c-settings']);
    } else if (effect.kind === 'object') {
      expect(replaced(before, after)).toEqual([]);
      expect(changedObjects(before, after)).toContain(effect.object);
    } else if (effect.kind === 'operator') {
      expect(changedObjects(before, after)).toEqual([]);
    }
  });
});
