import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '../cli/testing/command.ts';
import { TestCluster } from './cluster.ts';

describe('a cluster under test', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ shards: 2 });
  });
  afterAll(() => cluster.dispose());

  test('has clients, and every process by its id', async () => {
    const client = cluster.keyClient();
    await client.set('a', '1', { acknowledgement: 'disk' });
    expect((await client.get('a'))!.toString()).toBe('1');
    expect(cluster.processes().map(({ id }) => id)).toEqual(['supervisor', 'azurite', 'shard-0', 'shard-1', 'router']);
    expect(cluster.shardIds).toEqual(['shard-0', 'shard-1']);
  });

  test('has another process in the place of one that was killed', async () => {
    for (const id of [...cluster.shardIds, 'router', 'azurite']) {
      const { pid } = cluster.process(id);
      await cluster.restart(id);
      expect(isAlive(pid)).toBe(false);
      expect(cluster.process(id).pid).not.toBe(pid);
    }
  });

  test('has a shard without its disk after a wipe', async () => {
    const client = cluster.keyClient({ retry: { attemptsMax: 50 } });
    await client.set('kept', 'in Blob', { acknowledgement: 'blob' });
    for (const id of cluster.shardIds) await cluster.wipe(id);
    expect(existsSync(join(cluster.dataPath, 'shard-0'))).toBe(true);
    await expect.poll(async () => (await client.get('kept'))?.toString(), { timeout: 20_000 }).toBe('in Blob');
  });

  test('pauses and resumes processes', async () => {
    const client = cluster.keyClient();
    for (const id of cluster.shardIds) cluster.signal(id, 'SIGSTOP');
    const value = client.get('kept');
    for (const id of cluster.shardIds) cluster.signal(id, 'SIGCONT');
    await value;
  });

  test('leaves nothing behind when it is stopped', async () => {
    await cluster.stop();
  });
});
