import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatTopology, parseTopology } from './document.ts';
import { singleShardTopology, topology } from './place.ts';
import { TopologySource, type TopologySourceOptions } from './source.ts';

const members = [0, 1, 2].map((number) => ({ name: `shard-${number}`, address: `127.0.0.1:${7000 + number}` }));
const first = topology(undefined, members.slice(0, 1));
const second = topology(first, members.slice(0, 2));
const third = topology(second, members);

let directory: string;
let sources: TopologySource[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvcache-topology-'));
  sources = [];
});

afterEach(async () => {
  for (const source of sources) await source.close();
  await rm(directory, { recursive: true });
});

async function open(options: TopologySourceOptions): Promise<TopologySource> {
  const source = await TopologySource.open({ pollIntervalMs: 20, ...options });
  sources.push(source);
  return source;
}

/** As a careful writer does it. */
async function put(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text);
  await rename(`${path}.tmp`, path);
}

test('a change of the file becomes the topology, and a copy of it is kept', async () => {
  const file = join(directory, 'topology.json');
  const copy = join(directory, 'data', 'topology.json');
  await put(file, formatTopology(first));
  const source = await open({ file, copy });
  expect(source.slots.topology).toEqual(first);
  const changed = once(source, 'change');
  await put(file, formatTopology(second));
  await changed;
  expect(source.slots.topology).toEqual(second);
  await source.close();
  expect(parseTopology(await readFile(copy, 'utf8'))).toEqual(second);
});

test('a process that starts without the file goes on by its copy', async () => {
  const file = join(directory, 'topology.json');
  const copy = join(directory, 'copy.json');
  await put(copy, formatTopology(second));
  const source = await open({ file, copy, fallback: singleShardTopology('shard-0', '127.0.0.1:7000') });
  expect(source.slots.topology).toEqual(second);
  const changed = once(source, 'change');
  await put(file, formatTopology(third));
  await changed;
  expect(source.slots.epoch).toBe(3);
});

test('without file and copy a process runs as a single shard that owns every slot', async () => {
  const source = await open({ fallback: singleShardTopology('shard-0', '127.0.0.1:7000') });
  expect(source.slots.epoch).toBe(0);
  expect(source.slots.ownerOf(0)).toBe('shard-0');
  expect(source.slots.ownerOf(16_383)).toBe('shard-0');
});

test('without anything to run by, opening fails and says what was looked for', async () => {
  const file = join(directory, 'missing.json');
  await expect(TopologySource.open({ file })).rejects.toThrow(`no topology: ${file} does not exist`);
  await put(file, '{}');
  await expect(TopologySource.open({ file })).rejects.toThrow('topology: version is missing');
});

test('a broken file and one that goes back are reported and ignored, the next good one is taken', async () => {
  const file = join(directory, 'topology.json');
  await put(file, formatTopology(second));
  const source = await open({ file });
  const broken = once(source, 'fault');
  await put(file, '{"version":1,');
  expect(await broken).toMatchObject([{ path: file, message: expect.stringContaining('is not JSON') }]);
  const behind = once(source, 'fault');
  await put(file, formatTopology(first));
  expect(await behind).toMatchObject([{ message: 'has epoch 1, but epoch 2 is already in force' }]);
  expect(source.slots.epoch).toBe(2);
  const changed = once(source, 'change');
  await put(file, formatTopology(third));
  await changed;
  expect(source.slots.epoch).toBe(3);
});

test('the same fault is reported once', async () => {
  const file = join(directory, 'topology.json');
  await put(file, formatTopology(first));
  const source = await open({ file });
  let faults = 0;
  source.on('fault', () => (faults += 1));
  await put(file, 'no topology');
  for (let look = 0; look < 5; look++) await source.refresh();
  expect(faults).toBe(1);
});

test('a pushed topology wins over an older file and is there after a restart', async () => {
  const file = join(directory, 'topology.json');
  const copy = join(directory, 'copy.json');
  await put(file, formatTopology(first));
  const source = await open({ file, copy });
  expect(source.offer(third)).toBe(true);
  expect(source.offer(second)).toBe(false);
  await source.close();
  const again = await open({ file, copy });
  expect(again.slots.topology).toEqual(third);
});

test('many who wait at once for a copy that could not be written before get it whole', async () => {
  const folder = join(directory, 'data');
  const copy = join(folder, 'topology.json');
  await writeFile(folder, 'in the way of the folder');
  const source = await open({ copy, fallback: first });
  const faults: unknown[] = [];
  source.on('fault', (fault) => faults.push(fault));
  source.offer(second);
  await expect(source.persisted()).rejects.toMatchObject({ code: 'DISKFULL' });
  await rm(folder);
  faults.length = 0;
  const waiting = Array.from({ length: 20 }, () => source.persisted());
  source.offer(third);
  await Promise.all([...waiting, source.persisted()]);
  expect(faults).toEqual([]);
  expect(parseTopology(await readFile(copy, 'utf8'))).toEqual(third);
  expect(await readdir(folder)).toEqual(['topology.json']);
});

test('a file behind a symbolic link is followed when the link moves, as in a mounted ConfigMap', async () => {
  await writeFile(join(directory, 'v1.json'), formatTopology(first));
  await writeFile(join(directory, 'v2.json'), formatTopology(second));
  const file = join(directory, 'topology.json');
  await symlink('v1.json', file);
  const source = await open({ file });
  const changed = once(source, 'change');
  await symlink('v2.json', `${file}.tmp`);
  await rename(`${file}.tmp`, file);
  await changed;
  expect(source.slots.epoch).toBe(2);
});

test('waiting for a newer topology ends with it, or with the time', async () => {
  const source = await open({ fallback: first });
  const newer = source.newerThan(1, 60_000);
  source.offer(second);
  expect((await newer).epoch).toBe(2);
  expect((await source.newerThan(1, 60_000)).epoch).toBe(2);
  expect((await source.newerThan(2, 1)).epoch).toBe(2);
});
