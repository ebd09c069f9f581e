/** The objects of the examples: KVCaches that the API takes, pods that the restricted level admits, files that exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseTokensFile } from '../cli/playground/tokens-file.ts';
import { apiVersion, parseKVCache } from '../operator/api/schema.ts';

const root = resolve(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly securityContext: object;
}
interface Example {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly spec: { readonly securityContext: object; readonly containers: Container[] } };
  };
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.yaml'));
const objectsOf = (file: string): Example[] =>
  parseAllDocuments(readFileSync(join(import.meta.dirname, file), 'utf8')).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Example;
  });

describe.each(files)('%s', (file) => {
  test('has KVCaches of the newest API, with no field that it does not know', () => {
    for (const object of objectsOf(file).filter(({ kind }) => kind === 'KVCache')) {
      expect(object.apiVersion).toBe(apiVersion);
      const { spec } = parseKVCache(object);
      // A field that the schema does not know would have been dropped.
      expect(spec).toMatchObject(object.spec!);
    }
  });

  test('has pods of this version that keep to the restricted level, and run what is there', () => {
    for (const { spec } of objectsOf(file)) {
      if (spec?.template === undefined) continue;
      const { securityContext, containers } = spec.template.spec;
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { image, command = [], securityContext: ofContainer } of containers) {
        expect(image).toMatch(new RegExp(`^kvcache(-azurite)?:${version}$`));
        expect(ofContainer).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        const programs = command.filter((word) => word.startsWith('/opt/kvcache/'));
        for (const path of programs) expect(existsSync(path.replace('/opt/kvcache', root))).toBe(true);
      }
    }
  });
});

test('the playground’s prompts are a file that it takes', () => {
  const prompts = objectsOf('playground-job.yaml').flatMap(({ data }) => data?.['prompts.json'] ?? []);
  expect(prompts).toHaveLength(1);
  expect(parseTokensFile(prompts[0]!, 'prompts.json')).toHaveLength(4);
});

test('the README names every example', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  for (const file of files) expect(readme).toContain(`(${file})`);
});
