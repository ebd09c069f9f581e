/** A target against a source that is ending: a stand-in at the source's address says what an ending shard says. */
import { afterEach, expect, test } from 'vitest';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { InternalExecutor } from '../../link/internal-executor.ts';
import { LinkServer, linkServerOptions } from '../../link/server.ts';
import { topology } from '../../topology/place.ts';
import { slotOf } from '../../topology/slot.ts';
import { SlotMap } from '../../topology/slot-map.ts';
import { spaceOfKeys } from '../journal.ts';
import { HandoverCluster } from './testing/cluster.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const value = Buffer.from('value');

/** A page of a slot's list with one key; layout: listing.ts. */
function pageWith(key: Buffer): Buffer {
  const head = Buffer.alloc(19);
  head[0] = spaceOfKeys;
  head.writeUInt32BE(value.byteLength, 2);
  head.writeUInt32BE(key.byteLength, 14);
  return Buffer.concat([head, key]);
}

/** Serves the source's end of a hand-over of this one key; `get` answers for its value. */
async function standInFor(shard: string, address: string, key: Buffer, get: () => Reply): Promise<void> {
  const slot = slotOf(key);
  const list = (args: readonly Buffer[]): Reply => [
    Buffer.alloc(0),
    Number(args[0]!.toString()) === slot ? pageWith(key) : Buffer.alloc(0),
  ];
  const executor = new InternalExecutor({
    'HANDOVER.BEGIN': { arguments: 1, run: () => OK },
    'HANDOVER.LIST': { arguments: 3, run: list },
    'HANDOVER.GET': { arguments: 3, isList: true, run: get },
  });
  const link = new LinkServer({ shard, executor, epoch: () => 2 });
  const server = new GrpcServer(linkServerOptions);
  link.register(server);
  const [host, port] = address.split(':');
  await server.listen(host!, Number(port));
  ends.push(async () => {
    await link.close(1_000);
    await server.close(1_000);
  });
}

test.each(['SHUTDOWN', 'FENCED'] as const)(
  'what a source refuses with %s has not arrived: it is asked for again',
  async (code) => {
    const cluster = await HandoverCluster.start(2, 1);
    ends.push(() => cluster.stop());
    const moving = topology(cluster.topology.slots.topology, cluster.members);
    const slots = new SlotMap(moving);
    const key = Buffer.from(
      Array.from({ length: 100 }, (_, number) => `key-${number}`).find(
        (name) => slots.ownerOf(slotOf(Buffer.from(name))) === 'shard-1',
      )!,
    );
    await cluster.stopShard(0);
    const gets: Reply[] = [];
    await standInFor('shard-0', cluster.members[0]!.address, key, () => {
      const refusal = new ReplyError(code, 'the shard is ending');
      // The command as a whole, and then the one value of it.
      const reply = gets.length < 2 ? refusal : gets.length < 4 ? [refusal] : [[0, 0, null, value]];
      gets.push(reply);
      return reply;
    });
    await cluster.stopShard(1);
    await cluster.startShard(1, moving);
    await expect.poll(async () => (await cluster.info(1)).handover.hasArrived, { timeout: 20_000 }).toBe(true);
    expect(gets.at(-1)).toEqual([[0, 0, null, value]]);
    expect((await cluster.info(1)).handover).toMatchObject({ keysLeft: 0, keysMoved: 1 });
  },
);
