import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseTopology } from '../../topology/document.ts';
import { knownTopology, shardCountOf, writeTopology } from './topology-file.ts';

let dataPath: string;
beforeEach(() => {
  dataPath = mkdtempSync(join(tmpdir(), 'kvcache-topology-'));
});
afterEach(() => rmSync(dataPath, { recursive: true, force: true }));

const start = (portBase: number | undefined = 21_000, shards = 3): ReturnType<typeof writeTopology> =>
  writeTopology(knownTopology(dataPath), { portBase, shards, dataPath });

test('the first start writes a topology of epoch 1 and the next one keeps it', () => {
  const first = start();
  expect(first.epoch).toBe(1);
  expect(first.shards.map(({ name }) => name)).toEqual(['shard-0', 'shard-1', 'shard-2']);
  expect(parseTopology(readFileSync(join(dataPath, 'topology.json'), 'utf8'))).toEqual(first);
  expect(start()).toEqual(first);
});

test('other ports are a new epoch with the same owners', () => {
  const first = start();
  const second = start(22_000);
  expect(second.epoch).toBe(2);
  expect(second.shards[0]!.address).toBe('127.0.0.1:22010');
  expect(second.slots).toEqual(first.slots);
});

test('a lost document is found again in a process’s copy', () => {
  const first = start();
  mkdirSync(join(dataPath, 'shard-1'));
  cpSync(join(dataPath, 'topology.json'), join(dataPath, 'shard-1/topology.json'));
  rmSync(join(dataPath, 'topology.json'));
  expect(knownTopology(dataPath)).toEqual(first);
});

test('data without any document is refused rather than dealt out anew', () => {
  mkdirSync(join(dataPath, 'shard-0'));
  expect(() => knownTopology(dataPath)).toThrow('holds data of shard-0 and no topology.json');
});

test('another number of shards than the data has is refused, unless it is only the default', () => {
  const known = start(21_000, 2);
  expect(shardCountOf(known, 3, false, dataPath)).toBe(2);
  expect(() => shardCountOf(known, 3, true, dataPath)).toThrow(
    `the data in ${dataPath} belongs to 2 shards, and --shards asks for 3; start with --shards 2, or with another --data`,
  );
  expect(shardCountOf(undefined, 3, true, dataPath)).toBe(3);
});
