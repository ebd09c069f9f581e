/**
 * Write and Read of kvstore.KVStoreService with blocks of 1.2 MB, against Node's own HTTP/2 carrying the same bytes; and
 * all of it once more with 1 ms added to the round trip, because loopback hides what a flow-control window costs.
 *
 * New blocks fill RAM and disk within the first rounds, so that what is measured has eviction in it. A Write of a block that
 * is there is answered without storing it again.
 */
import { encodeWrite } from '../../client/prompt-codec.ts';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { message, startModule } from '../harness/children.ts';
import { delayedPort } from '../sides/delayed.ts';
import { bandwidth, type Bench, type Scenario, type Side } from '../harness/scenario.ts';
import { KVStoreServiceService, ReadRequest } from '../../protos/generated/kvstore.ts';
import { grpcMessage } from '../load/h2-connection.ts';
import { H2Load } from '../load/h2-load.ts';
import { startCluster, startShard } from '../sides/kvcache.ts';
import type { SideProcess } from '../sides/side-process.ts';
import { largeUnaryFigures, loadNote, portOf, type UnaryCase, unarySide } from './unary.ts';

interface BlockCase extends UnaryCase {
  readonly method: 'write' | 'read';
  /** Every Write brings a block that nobody has written before. */
  readonly isNew: boolean;
  readonly addedMs: 0 | 1;
}

const blockBytes = 1_200_000;
const blocks = 24;
const rawName = 'raw HTTP/2';
const scope = { accountUrl: 'https://bench.example', containerName: 'bench' };
const settings = { 'disk.size': '4GiB' };

const kinds = [
  { title: 'Write new', method: 'write', isNew: true },
  { title: 'Write present', method: 'write', isNew: false },
  { title: 'Read', method: 'read', isNew: false },
] as const;

const cases: readonly BlockCase[] = ([0, 1] as const).flatMap((addedMs) =>
  kinds.map(({ title, method, isNew }) => ({
    title: `${title} 1.2 MB, 8 in flight${addedMs === 0 ? '' : ', +1 ms'}`,
    method,
    isNew,
    addedMs,
    valueBytes: blockBytes,
    inFlight: 8,
    connections: 4,
    replyBytesMin: method === 'read' ? blockBytes : 1,
    figures: largeUnaryFigures,
    comparisons: [
      { side: 'shard', against: rawName, figure: bandwidth.name, goal: { atLeast: 0.6 } },
      { side: 'router + 3 shards', against: rawName, figure: bandwidth.name, goal: { atLeast: 0.35 } },
    ],
  })),
);

/** The first token takes six bytes of a varint, of which the load numbers four. */
const firstToken = 2n ** 41n;

function tokensOf(block: number): BigInt64Array {
  return BigInt64Array.from({ length: 128 }, (_, index) => (index === 0 ? firstToken : BigInt(block * 1_000 + index)));
}

const varintOfFirstToken = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);

function chunkOf(block: number): { hash: bigint; parentHash: bigint; partitionKey: string; tokens: BigInt64Array } {
  return { hash: BigInt(block + 1), parentHash: 0n, partitionKey: 'bench', tokens: tokensOf(block) };
}

/** Requests as they go on the wire. */
interface Bodies {
  readonly write: readonly Buffer[];
  /** The same, whose first tokens the load writes over. */
  readonly writeNew: readonly Buffer[];
  readonly firstTokenAt: number;
  readonly read: readonly Buffer[];
}

/** Writes the blocks, and makes the requests that write them again and read them. */
async function bodiesOf(server: string): Promise<Bodies> {
  using client = new KvStoreClient({ server });
  client.initialize(scope.accountUrl, scope.containerName);
  const buffer = Buffer.alloc(blockBytes, 'kv');
  const write: Buffer[] = [];
  const read: Buffer[] = [];
  for (let block = 0; block < blocks; block++) {
    const chunk = chunkOf(block);
    await client.writeAsync({ ...chunk, buffer });
    const { locations } = await client.lookup('bench', '', chunk.tokens, [chunk.hash]);
    const location = locations[0]?.location;
    if (location === undefined) throw new Error(`block ${block} is not there after it was written`);
    read.push(grpcMessage(ReadRequest.encode({ ...scope, location, completionId: '' }).finish()));
    const parts = encodeWrite({ ...scope, chunk: { ...chunk, completionId: '', buffer } });
    write.push(grpcMessage(parts instanceof Uint8Array ? parts : Buffer.concat(parts)));
  }
  const firstTokenAt = write[0]!.indexOf(varintOfFirstToken);
  return { write, writeNew: write.map((body) => Buffer.from(body)), firstTokenAt, read };
}

async function blockSide(bench: Bench, side: SideProcess, load: H2Load): Promise<Side<BlockCase>> {
  const port = portOf(side.grpc);
  const ports = { 0: port, 1: await delayedPort(bench, port) };
  const bodies = await bodiesOf(side.grpc);
  return unarySide<BlockCase>(side, load, ({ method, isNew, addedMs }) => ({
    port: ports[addedMs],
    path: KVStoreServiceService[method].path,
    ...(isNew ? { bodies: bodies.writeNew, numberedAt: bodies.firstTokenAt } : { bodies: bodies[method] }),
  }));
}

async function rawSide(bench: Bench, load: H2Load): Promise<Side<BlockCase>> {
  const child = startModule(bench.scope, 'sides/echo-servers.ts', ['http2']);
  const port = await message<number>(child);
  const ports = { 0: port, 1: await delayedPort(bench, port) };
  const about = "Node's HTTP/2: keeps one body of 1.2 MB, and answers with it";
  const bodies = { write: [Buffer.alloc(blockBytes, 'kv')], read: [Buffer.from('read')] };
  return unarySide<BlockCase>({ name: rawName, about, pids: [child.pid] }, load, async ({ method, addedMs }) => {
    const target = { contentType: 'application/octet-stream', path: `/${method}`, bodies: bodies[method] };
    return { ...target, port: ports[addedMs] };
  });
}

export const blocksScenario: Scenario = {
  name: 'blocks',
  summary: 'Write and Read of 1.2 MB blocks on a shard and through a router, against raw HTTP/2, also with 1 ms added',
  async prepare(bench) {
    const load = new H2Load(bench);
    const sides = [
      await blockSide(bench, await startShard(bench, settings), load),
      await blockSide(bench, await startCluster(bench, settings), load),
      await rawSide(bench, load),
    ];
    return {
      cases,
      sides,
      notes: () => [loadNote(load), 'writes: acknowledged in memory, no Blob'],
    };
  },
};
