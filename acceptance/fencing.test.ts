/**
 * Two shard processes on one Blob prefix: the older is paused in the middle of a commit, the younger takes over, and
 * the older wakes up and goes on. It is fenced and says so, and none of its late writes is ever read.
 *
 * The older one's commit is held between it and Blob, and arrives only when the younger has written: the worst moment
 * that a pause can choose.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { azuriteConnectionString } from '../azurite/azurite.ts';
import { exitCodes } from '../process/exit-codes.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { FaultProxy, type FaultRule } from '../testing/fault-proxy.ts';
import { ShardProcess } from './shard-process.ts';

const lateKeys = Array.from({ length: 20 }, (_, index) => `late-${index}`);

let azurite: TestAzurite;
let proxy: FaultProxy;
let older: ShardProcess;
let younger: ShardProcess;
let held: FaultRule;

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'kvcache-fencing-'));
}

beforeAll(async () => {
  azurite = await startTestAzurite();
  proxy = await FaultProxy.start(azurite.azurite.port);
  older = await ShardProcess.start({
    dataPath: newFolder(),
    settings: { 'blob.connection_string': azuriteConnectionString(proxy.port), 'log.fsync': 'never' },
  });
});
afterAll(async () => {
  await older?.dispose();
  await younger?.dispose();
  await proxy?.close();
  await azurite?.remove();
});

async function expectOnlyTheYoungers(): Promise<void> {
  const client = younger.keyClient();
  expect((await client.get('before'))?.toString()).toBe('of the older');
  expect((await client.get('both'))?.toString()).toBe('of the younger');
  expect((await client.get('after'))?.toString()).toBe('of the younger');
  expect(await client.mget(lateKeys)).toEqual(lateKeys.map(() => null));
  expect(await client.size()).toBe(3);
}

test('the younger takes the shard over while the older is paused with a commit under way', async () => {
  const client = older.keyClient();
  await client.mset({ before: 'of the older', both: 'of the older' }, { acknowledgement: 'blob' });
  held = proxy.addRule({ operations: ['commitBlockList'], fault: { kind: 'hold' } });
  // Acknowledged from memory, and never safe in Blob.
  for (const key of lateKeys) await client.set(key, 'of the older');
  await client.set('both', 'late, of the older');
  await held.hit();
  older.signal('SIGSTOP');

  younger = await ShardProcess.start({
    dataPath: newFolder(),
    settings: { 'blob.connection_string': azurite.azurite.connectionString },
  });
  await younger.keyClient().mset({ both: 'of the younger', after: 'of the younger' }, { acknowledgement: 'blob' });
  await expectOnlyTheYoungers();
});

test('the older wakes up, its commit is refused, and it ends with the exit code that says fenced', async () => {
  held.release();
  older.signal('SIGCONT');
  expect(await older.ended).toEqual({ code: exitCodes.fenced, signal: null });
  expect(older.lines).toContainEqual(expect.objectContaining({ code: 'FENCED' }));
  expect(older.said()).toContain('another process has taken over this shard');
});

test('none of its late writes is read from the younger', async () => {
  await expectOnlyTheYoungers();
});

test('nor after the younger has lost its disk', async () => {
  await younger.end('SIGKILL');
  younger.loseDisk();
  await younger.restart();
  await expectOnlyTheYoungers();
});

test('nor when the older comes back with its disk and takes the shard over in turn', async () => {
  proxy.removeRules();
  await older.restart();
  expect(await younger.ended).toEqual({ code: exitCodes.fenced, signal: null });
  const client = older.keyClient();
  expect((await client.mget(['before', 'both', 'after'])).map(String)).toEqual([
    'of the older',
    'of the younger',
    'of the younger',
  ]);
  expect(await client.mget(lateKeys)).toEqual(lateKeys.map(() => null));
});
