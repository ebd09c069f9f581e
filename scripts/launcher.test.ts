/** The launcher (bin/launcher.js) in clones of every condition. Here because bin/ is CommonJS, for old Nodes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadPoolSize } from '../limits.ts';
import { shardEnvironment } from '../process/process-environment.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let clone: string;

/** A clone as git leaves it: the launcher, a lockfile, a program, and no node_modules. */
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'kvcache-launcher-'));
  mkdirSync(join(clone, 'bin'));
  mkdirSync(join(clone, 'cli'));
  mkdirSync(join(clone, 'tools'));
  for (const name of ['kvcache', 'launcher.js', 'package.json']) {
    copyFileSync(join(import.meta.dirname, '../bin', name), join(clone, 'bin', name));
  }
  writeFileSync(join(clone, 'package-lock.json'), '{}');
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function program(source: string): void {
  writeFileSync(join(clone, 'cli/main.ts'), source);
}

/** What `npm` does in this clone: nothing is fetched. */
function npm(script: string): void {
  const path = join(clone, 'tools/npm');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

function installed(): void {
  mkdirSync(join(clone, 'node_modules/.bin'), { recursive: true });
  writeFileSync(join(clone, 'node_modules/.package-lock.json'), '{}');
}

function launch(args: string[] = []): ChildProcess {
  return spawn(process.execPath, [join(clone, 'bin/kvcache'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${join(clone, 'tools')}:/usr/bin:/bin` },
  });
}

async function outcomeOf(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

test('a fresh clone is installed with a line that says so, and the command runs', async () => {
  npm('mkdir -p node_modules/.bin && echo "{}" > node_modules/.package-lock.json');
  program('console.log(JSON.stringify(process.argv.slice(2)) as string)');
  const { code, out, err } = await outcomeOf(launch(['get', 'a key']));
  expect(err).toBe('kvcache: installing the dependencies of package-lock.json (once, about a minute)\n');
  expect(out).toBe('["get","a key"]\n');
  expect(code).toBe(0);
});

test('a clone that is installed says nothing of its own', async () => {
  installed();
  npm('exit 9');
  program('process.exitCode = 7');
  expect(await outcomeOf(launch())).toEqual({ code: 7, out: '', err: '' });
});

test('an installation that fails is one sentence that says what to do', async () => {
  npm('exit 1');
  const { code, err } = await outcomeOf(launch());
  expect(err.split('\n').slice(1)).toEqual([
    `kvcache: the installation failed (npm ci ended with exit code 1); check the network and run 'npm ci' in ${clone}`,
    '',
  ]);
  expect(code).toBe(1);
});

test('a machine without npm gets the same sentence', async () => {
  const child = spawn(process.execPath, [join(clone, 'bin/kvcache')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: join(clone, 'tools') },
  });
  const { code, err } = await outcomeOf(child);
  expect(err).toContain('kvcache: the installation failed (spawnSync npm ENOENT); check the network');
  expect(code).toBe(1);
});

test('a pinned Node that does not start is one sentence', async () => {
  installed();
  writeFileSync(join(clone, 'node_modules/.bin/node'), 'not a program');
  const { code, err } = await outcomeOf(launch());
  expect(err).toBe(
    `kvcache: Node 26 of node_modules does not start (spawn ${join(clone, 'node_modules/.bin/node')} EACCES); run 'npm ci' in ${clone}\n`,
  );
  expect(code).toBe(1);
});

test('a folder without its lockfile is one sentence', async () => {
  rmSync(join(clone, 'package-lock.json'));
  const { code, err } = await outcomeOf(launch());
  expect(err).toBe(`kvcache: package-lock.json is missing from ${clone}; clone the repository again\n`);
  expect(code).toBe(1);
});

test('the program runs under the Node of node_modules, whatever runs the launcher', async () => {
  installed();
  symlinkSync(process.execPath, join(clone, 'node_modules/.bin/node'));
  program('console.log(process.env.PATH!.split(":")[0])');
  expect((await outcomeOf(launch())).out).toBe(`${join(clone, 'node_modules/.bin')}\n`);
});

test('the program starts with the environment that a shard needs', async () => {
  installed();
  const expected: Record<string, string> = { ...shardEnvironment, UV_THREADPOOL_SIZE: `${threadPoolSize}` };
  const names = JSON.stringify(Object.keys(expected));
  program(`console.log(JSON.stringify(Object.fromEntries(${names}.map((name) => [name, process.env[name]]))))`);
  expect(JSON.parse((await outcomeOf(launch())).out)).toEqual(expected);
});

test('signals reach the program, and its exit code comes back', async () => {
  installed();
  program(
    `for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => console.log(signal));
     process.once('SIGTERM', () => process.exit(5));
     setInterval(() => undefined, 1000);
     console.log('up');`,
  );
  const child = launch();
  const outcome = outcomeOf(child);
  await once(child.stdout!, 'data');
  child.kill('SIGINT');
  await once(child.stdout!, 'data');
  child.kill('SIGTERM');
  expect(await outcome).toMatchObject({ code: 5, out: 'up\nSIGINT\nSIGTERM\n' });
});
