/** What clients that cannot read errors see while a shard is away: the contract of LMCache's connectors. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster } from '../../router/testing/cluster.ts';
import { TestExecutor } from '../../router/testing/test-executor.ts';
import { slotOf } from '../../topology/slot.ts';
import { OpenDoor } from './testing/open-door.ts';

describe.each(['error', 'drop'] as const)('while a shard restarts, writes: %s', (unavailableWrites) => {
  let cluster: Cluster;
  let open: OpenDoor;
  const again = new TestExecutor('shard-1');

  beforeAll(async () => {
    cluster = await Cluster.start(3, { unavailableReads: 'miss', unavailableWrites });
    open = await OpenDoor.open(cluster.router);
  });
  afterAll(async () => {
    await open[Symbol.asyncDispose]();
    await cluster.stop();
    again.close();
  });

  test('sockets stay open, reads are misses, and every reply is as long as its client reads', async () => {
    const key = Array.from({ length: 100 }, (_, index) => `chunk-${index}`).find(
      (name) => cluster.topology.slots.ownerOf(slotOf(Buffer.from(name))) === 'shard-1',
    )!;
    const client = await open.client();
    client.send('SET', key, 'value');
    await client.expect('+OK\r\n');
    await cluster.shards[1]!.crash();
    client.send('GET', key);
    await client.expect('$-1\r\n');
    client.send('EXISTS', key);
    await client.expect(':0\r\n');
    if (unavailableWrites === 'drop') {
      client.send('SET', key, 'lost');
      await client.expect('+OK\r\n');
      client.send('DEL', key);
      await client.expect(':0\r\n');
    } else {
      expect(await client.ask('SET', key, 'refused')).toMatch(/^-UNAVAILABLE /);
      expect(await client.ask('DEL', key)).toMatch(/^-UNAVAILABLE /);
    }
    cluster.shards[1] = await cluster.shards[1]!.restart(again);
    await expect.poll(() => cluster.links.all().every(({ state }) => state === 'ready')).toBe(true);
    client.send('SET', key, 'back');
    await client.expect('+OK\r\n');
    client.send('GET', key);
    await client.expect('$4\r\nback\r\n');
    expect(client.isEnded).toBe(false);
  });
});
