/** What the binary protocol and versioned clients keep survives a shard that is killed, like any write. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { TypedClient } from '../client/typed-client.ts';
import { type Typed, TypedDecimal } from '../client/typed-value.ts';
import { callUnary } from '../doors/grpc/testing/call-unary.ts';
import { KVStoreClient } from '../protos/generated/versionedstore.ts';
import { ShardProcess } from './shard-process.ts';

let shard: ShardProcess;
afterEach(() => shard.dispose());

const put = { key: 'versioned', ttlMs: 0n, consistencyR: 1, consistencyW: 1, clientId: '', requestId: '' };

test('typed values, locks, versions and deletions are there after SIGKILL', async () => {
  const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-typed-'));
  shard = await ShardProcess.start({ dataPath, settings: { 'log.fsync': 'always' } });
  const values: [string, Typed][] = [
    ['null', null],
    ['int', 2n ** 62n],
    ['decimal', new TypedDecimal('0.10')],
    ['list', [1n, 2.5, 'three', [false]]],
    ['map', new Map<string, Typed>([['nested', new Map([['deep', 1n]])]])],
  ];
  {
    using typed = new TypedClient(`127.0.0.1:${shard.portOf('tcp')}`);
    await typed.setMany(values);
    expect(await typed.lock('job', 'me', 600_000)).toBe(true);
    const versioned = new KVStoreClient(shard.server, credentials.createInsecure());
    for (const value of ['first', 'second']) {
      await callUnary(versioned, versioned.put, { ...put, value: Buffer.from(value), version: undefined });
    }
    await callUnary(versioned, versioned.put, { ...put, key: 'gone', value: Buffer.from('v'), version: undefined });
    await callUnary(versioned, versioned.delete, { ...put, key: 'gone', version: undefined });
    versioned.close();
  }

  await shard.end('SIGKILL');
  await shard.restart();

  using typed = new TypedClient(`127.0.0.1:${shard.portOf('tcp')}`);
  for (const [key, value] of values) expect([key, await typed.get(key)]).toEqual([key, value]);
  expect(await typed.lock('job', 'you', 600_000)).toBe(false);
  await expect(typed.unlock('job', 'you')).rejects.toThrow('Lock held by different owner');
  expect(await typed.unlock('job', 'me')).toBe(true);
  const versioned = new KVStoreClient(shard.server, credentials.createInsecure());
  const seen = { entries: [{ nodeId: 'shard-0', counter: 1n }] };
  const stale = await callUnary(versioned, versioned.put, { ...put, value: Buffer.from('stale'), version: seen });
  expect(stale).toMatchObject({ status: 2, version: { entries: [{ nodeId: 'shard-0', counter: 3n }] } });
  const again = await callUnary(versioned, versioned.put, {
    ...put,
    key: 'gone',
    value: Buffer.from('v'),
    version: seen,
  });
  expect(again).toMatchObject({ status: 2, version: { entries: [{ nodeId: 'shard-0', counter: 3n }] } });
  versioned.close();
});
