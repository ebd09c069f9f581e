/** `docs/kubernetes.md` against the program: objects that it shows, words that it explains, files that it names. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { parseKVCache } from '../operator/api/schema.ts';
import { conditionReasons } from '../operator/reconcile/reasons.ts';

const root = resolve(import.meta.dirname, '..');
const path = join(root, 'docs/kubernetes.md');
const text = readFileSync(path, 'utf8');

test('files and sections that are linked to exist', () => {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  const headings = new Set(
    Array.from(text.matchAll(/^## (.*)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  for (const target of targets.filter((each) => !each.startsWith('https:'))) {
    const exists = target.startsWith('#') ? headings.has(target.slice(1)) : existsSync(resolve(dirname(path), target));
    expect([target, exists]).toEqual([target, true]);
  }
  // In commands too.
  const inCommands = [
    ...text.matchAll(/(?:-f |install kvcache |upgrade kvcache )((?:examples|deploy|charts)\/[\w./-]+)/g),
  ];
  expect(inCommands.length).toBeGreaterThan(4);
  for (const [, file] of inCommands) expect([file, existsSync(join(root, file!))]).toEqual([file, true]);
});

test('objects that are shown are objects that the API takes', () => {
  const blocks = [...text.matchAll(/^( *)```yaml\n([^]*?)^\1```/gm)].map(([, , block]) => block!);
  const documents = blocks.map((block) => parseDocument(block));
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  const caches = documents
    .map((document) => document.toJS() as { kind?: string; spec?: object })
    .filter(({ kind }) => kind === 'KVCache');
  expect(caches.length).toBeGreaterThan(0);
  for (const cache of caches) expect(parseKVCache(cache).spec).toMatchObject(cache.spec!);
});

test('conditions and reasons are those of the operator', () => {
  const reasons: Readonly<Record<string, object>> = conditionReasons;
  for (const [, type, reason] of text.matchAll(/`(Degraded|Ready|Durable|ScaleBlocked)`: `(\w+)`/g)) {
    expect(Object.keys(reasons[type!]!)).toContain(reason);
  }
  for (const word of ['ShardsUnready', 'Starting']) expect(Object.keys(conditionReasons.Ready)).toContain(word);
  expect(Object.keys(conditionReasons.Durable)).toContain('DisksOnly');
});
