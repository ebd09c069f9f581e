/** The Dockerfile against what the rest of the repository says; that its images run is for e2e/ to show. */
import { readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { threadPoolSize } from '../limits.ts';
import { settingOf } from '../settings/schema.ts';
import type { Setting } from '../settings/setting.ts';
import { shardEnvironment } from '../process/process-environment.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const dockerfile = read('Dockerfile');
/** The last stage, which is the image. */
const image = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const manifest = JSON.parse(read('package.json')) as { version: string };

test('the image starts processes with the environment that the launcher gives them', () => {
  const environment = /^ENV ([^]*?[^\\])\n/m.exec(image)![1]!.replaceAll('\\\n', ' ');
  const variables = Object.fromEntries(
    environment.split(/\s+/).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  expect(variables).toMatchObject({ ...shardEnvironment, UV_THREADPOOL_SIZE: `${threadPoolSize}` });
});

const valueOf = (given: Setting<unknown>['default']): unknown => (given.kind === 'value' ? given.value : undefined);

test('the image names the ports that processes listen on by default, and this version', () => {
  const ports = /^EXPOSE (.*)$/m.exec(image)![1]!.split(' ').map(Number);
  expect(ports).toEqual(
    (['grpc.port', 'http.port', 'resp.port', 'tcp.port', 'link.port'] as const)
      .map((name) => settingOf(name).default)
      .map(valueOf),
  );
  expect(image).toContain(`ARG VERSION=${manifest.version}\n`);
});

test('the image runs as a user without rights', () => {
  expect(/^USER (.*)$/m.exec(image)![1]).toBe('1000:1000');
});

test('the Dockerfile needs no builder newer than Docker 20.10', () => {
  expect(dockerfile).not.toMatch(/--mount=|--chmod=|--link\b|<<|^#\s*syntax/m);
});

/** Paths of all modules that the entry files import, and theirs, as they are written in import and fork. */
function modulesOf(entries: readonly string[]): Set<string> {
  const found = new Set(entries);
  for (const path of found) {
    const specifiers = read(path).matchAll(/(?:from |import\(|URL\()'(\.{1,2}\/[^']+\.ts)'/g);
    for (const [, specifier] of specifiers) found.add(relative(root, join(root, dirname(path), specifier!)));
  }
  return found;
}

test('the build context holds every module that the program imports, and no test', () => {
  const ignored = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const isIgnored = (path: string): boolean =>
    ignored.some((pattern) => matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`));
  const modules = [...modulesOf(['cli/main.ts'])];
  expect(modules).toContain('shard/main.ts');
  expect(modules.filter(isIgnored)).toEqual([]);
  expect(['scripts/check.ts', 'cli/main.test.ts', 'testing/azurite.ts', '.npmrc'].filter(isIgnored)).toHaveLength(4);
});
