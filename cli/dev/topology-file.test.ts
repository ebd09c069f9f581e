import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import { topology } from '../../topology/place.ts';
import type { Topology } from '../../topology/topology.ts';
import { type Desired, desiredOf, readDesired, writeDesired } from './desired.ts';
import { desiredAtStart, knownTopology, membersOf, writeFirstTopology } from './topology-file.ts';

let dataPath: string;
beforeEach(() => {
  dataPath = mkdtempSync(join(tmpdir(), 'kvcache-topology-'));
});
afterEach(() => rmSync(dataPath, { recursive: true, force: true }));

const start = (portBase: number | undefined = 21_000, shards = 3): Promise<Topology> =>
  writeFirstTopology(
    knownTopology(dataPath),
    desiredOf(shards),
    { portBase, dataPath },
    join(dataPath, 'topology.json'),
  );

test('the first start writes a topology of epoch 1 and the next one keeps it', async () => {
  const first = await start();
  expect(first.epoch).toBe(1);
  expect(first.shards.map(({ name }) => name)).toEqual(['shard-0', 'shard-1', 'shard-2']);
  expect(parseTopology(readFileSync(join(dataPath, 'topology.json'), 'utf8'))).toEqual(first);
  expect(await start()).toEqual(first);
});

test('other ports are a new epoch with the same owners', async () => {
  const first = await start();
  const second = await start(22_000);
  expect(second.epoch).toBe(2);
  expect(second.shards[0]!.address).toBe('127.0.0.1:22010');
  expect(second.slots).toEqual(first.slots);
});

test('a lost document is found again in a process’s copy', async () => {
  const first = await start();
  mkdirSync(join(dataPath, 'shard-1'));
  cpSync(join(dataPath, 'topology.json'), join(dataPath, 'shard-1/topology.json'));
  rmSync(join(dataPath, 'topology.json'));
  expect(knownTopology(dataPath)).toEqual(first);
});

test('data without any document is refused rather than dealt out anew', () => {
  mkdirSync(join(dataPath, 'shard-0'));
  expect(() => knownTopology(dataPath)).toThrow('holds data of shard-0 and no topology.json');
});

test('other ports in the middle of a change leave owners and moves as they are, those of leavers included', async () => {
  const first = await start();
  const moving = topology(first, membersOf(desiredOf(2), { portBase: 21_000, dataPath }));
  writeFileSync(join(dataPath, 'topology.json'), formatTopology(moving));
  const again = await start(22_000);
  expect(again.epoch).toBe(moving.epoch + 1);
  expect(again.slots).toEqual(moving.slots);
  expect(again.shards).toContainEqual({ name: 'shard-2', address: '127.0.0.1:22012' });
});

test('a topology with names that no local cluster has is refused', () => {
  writeFileSync(
    join(dataPath, 'topology.json'),
    formatTopology(topology(undefined, [{ name: 'pod-0', address: 'a:1' }])),
  );
  expect(() => knownTopology(dataPath)).toThrow(
    'names pod-0, and the shards of a local cluster are shard-0 to shard-19',
  );
});

describe('the number of shards at a start', () => {
  const atStart = (
    known: Topology | undefined,
    stored: Desired | undefined,
    shards: number,
    isGiven: boolean,
  ): number => desiredAtStart(known, stored, { shards, isGiven }, dataPath).shards;

  test('is what is asked for on an empty folder', () => {
    expect(atStart(undefined, undefined, 3, true)).toBe(3);
  });

  test('is what was asked for last where there is data, and another one is refused unless it is only the default', async () => {
    const known = await start(21_000, 2);
    expect(atStart(known, undefined, 3, false)).toBe(2);
    expect(atStart(known, desiredOf(5), 3, false)).toBe(5);
    expect(() => atStart(known, undefined, 3, true)).toThrow(
      `the data in ${dataPath} belongs to 2 shards, and --shards asks for 3; start without --shards and then run 'kvcache scale 3', or start with another --data`,
    );
  });

  test('counts, where nothing else says it, those that own slots and not those that leave', async () => {
    const first = await start(21_000, 5);
    const moving = topology(first, membersOf(desiredOf(2), { portBase: 21_000, dataPath }));
    expect(moving.shards).toHaveLength(5);
    expect(atStart(moving, undefined, 3, false)).toBe(2);
  });
});

describe('desired.json', () => {
  const path = (): string => join(dataPath, 'desired.json');

  test('keeps the number of shards and whose folders go', async () => {
    expect(readDesired(path())).toBeUndefined();
    await writeDesired(path(), desiredOf(2, ['shard-2']));
    expect(readDesired(path())).toEqual({ version: 1, shards: 2, deleting: ['shard-2'] });
  });

  test.each([
    ['{', 'is not JSON'],
    ['null', 'has version undefined'],
    ['{"version":2,"shards":3,"deleting":[]}', 'has version 2, this program reads version 1'],
    ['{"version":1,"shards":0,"deleting":[]}', 'asks for 0 shards, expected a whole number from 1 to 20'],
    ['{"version":1,"shards":3,"deleting":["../x"]}', 'has no list of shards'],
  ])('that says %s is refused with what to do', (text, message) => {
    writeFileSync(path(), text);
    expect(() => readDesired(path())).toThrow(message);
    expect(() => readDesired(path())).toThrow('put it right, or delete it');
  });
});
