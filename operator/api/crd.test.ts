import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { crdPath, customResourceDefinition, customResourceDefinitionFile, openAPISchema } from './crd.ts';
import { referenceDocument } from './reference.ts';
import { defaultedSpec, parseKVCache } from './schema.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';

const root = resolve(import.meta.dirname, '../..');

/** Every node of a schema with its path. */
function* nodes(schema: StructuralSchema, path = ''): Generator<[string, StructuralSchema]> {
  yield [path, schema];
  for (const [name, member] of Object.entries(schema.properties ?? {})) yield* nodes(member, `${path}.${name}`);
  if (schema.items) yield* nodes(schema.items, `${path}[]`);
  if (schema.additionalProperties) yield* nodes(schema.additionalProperties, `${path}{}`);
}

const inSpec = [...nodes(openAPISchema().properties!['spec']!, 'spec')];

describe('the CRD', () => {
  it('is what the file in the repository says', () => {
    expect(readFileSync(join(root, crdPath), 'utf8')).toBe(customResourceDefinitionFile());
  });

  it('names a field for everything that the scale subresource and the columns read', () => {
    const [version] = customResourceDefinition().spec.versions;
    const { specReplicasPath, statusReplicasPath, labelSelectorPath } = version!.subresources.scale;
    const columns = version!.additionalPrinterColumns.map(({ jsonPath }) => jsonPath.replace(/\[.*$/, ''));
    const known = new Set([...nodes(openAPISchema())].map(([path]) => path));
    for (const path of [specReplicasPath, statusReplicasPath, labelSelectorPath, ...columns]) {
      if (!path.startsWith('.metadata')) expect(known).toContain(path);
    }
  });

  it('bounds every text, list and map of the spec, because rules are priced by them', () => {
    for (const [path, { type, maxLength, maxItems, maxProperties, additionalProperties, ...node }] of inSpec) {
      if (type === 'string' && node.enum === undefined) expect([path, maxLength]).toEqual([path, expect.any(Number)]);
      if (type === 'array') expect([path, maxItems]).toEqual([path, expect.any(Number)]);
      if (additionalProperties) expect([path, maxProperties]).toEqual([path, expect.any(Number)]);
    }
  });

  it('has rules whose messages are sentences about what is wrong', () => {
    const rules = inSpec.flatMap(([, node]) => node['x-kubernetes-validations'] ?? []);
    expect(rules.length).toBeGreaterThan(15);
    for (const { message } of rules) expect(message).toMatch(/^[\w.]+[: ].{20,}[^.]$/);
  });

  it('gives an empty spec the defaults that the operator gives it', () => {
    expect(openAPISchema().properties!['spec']!.default).toEqual(defaultedSpec({}));
  });

  it('fits a client-side apply, whose annotation takes 256 KiB', () => {
    expect(JSON.stringify(customResourceDefinition()).length).toBeLessThan(200 * 1024);
  });
});

describe('the reference', () => {
  it('is what the file in the repository says', () => {
    expect(readFileSync(join(root, 'docs/reference.md'), 'utf8')).toBe(referenceDocument());
  });
});

describe('structuralSchema', () => {
  it('refuses a field without a description', () => {
    expect(() => structuralSchema(z.object({ size: z.int() }))).toThrow('.size has no description');
  });

  it('refuses what a structural schema cannot say', () => {
    const either = z.object({ size: z.union([z.string(), z.boolean()]).describe('A size.') });
    expect(() => structuralSchema(either)).toThrow('.size has no type');
    const keyed = z.object({ size: z.string().meta({ description: 'A size.', examples: ['1Gi'] }) });
    expect(() => structuralSchema(keyed)).toThrow('.size has examples, which a structural schema does not know');
  });
});

describe('parseKVCache', () => {
  it('fills in defaults around what is given', () => {
    const cache = parseKVCache({ metadata: { name: 'c' }, spec: { shards: { memory: '4Gi' } } });
    expect(cache.spec.shards).toMatchObject({ memory: '4Gi', replicas: 3, storage: { size: '10Gi' } });
    expect(cache.spec.blob).toBeUndefined();
  });

  it('says what does not fit', () => {
    expect(() => parseKVCache({ metadata: { name: 'c' }, spec: { shards: { replicas: 0 } } })).toThrow(
      /the KVCache c does not fit its schema: spec\.shards\.replicas: /,
    );
  });
});
