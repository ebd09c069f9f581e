/**
 * CLUSTER: who serves which slots. ASK is never needed: a slot on the move is served by its new owner from the moment
 * on from which the old one says MOVED.
 */
import { libraryContext } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { binaryCursor } from '../../../commands/scan-cursor.ts';
import { commandDeadlineDefaultMs, respSlotKeysMax, respSlotPageKeys, slotCount } from '../../../limits.ts';
import { slotOf } from '../../../topology/slot.ts';
import type { Client } from '../client.ts';
import type { ClusterNode } from '../cluster-nodes.ts';
import type { DoorParts } from '../door-parts.ts';
import { bulk, RespMap, type RespReply, TextReply } from '../resp-reply.ts';
import { dispatch, integerOf, notAnInteger, type SessionCommand, takes } from './session-command.ts';

const help = [
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys in <slot>.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return key names stored by current node in a slot.',
  'INFO',
  '    Return information about the cluster.',
  'KEYSLOT <key>',
  '    Return the hash slot for <key>.',
  'LINKS',
  '    Return information about all network links between this node and its peers.',
  'MYID',
  '    Return the node id.',
  'NODES',
  '    Return cluster configuration seen by node.',
  'SHARDS',
  '    Return information about slot range mappings and the nodes associated with them.',
  'SLOTS',
  '    Return information about slots range mappings.',
];

export const clusterCommands: readonly SessionCommand[] = [
  {
    name: 'CLUSTER',
    arguments: takes(1, Infinity),
    summary: 'Slots, and who serves them.',
    group: 'cluster',
    run: dispatch(
      'CLUSTER',
      {
        SLOTS: { arguments: takes(0), run: (_, client, { cluster }) => slots(cluster.nodes(client.local)) },
        SHARDS: { arguments: takes(0), run: (_, client, { cluster }) => shards(cluster.nodes(client.local)) },
        NODES: { arguments: takes(0), run: (_, client, parts) => new TextReply(nodes(client, parts)) },
        INFO: { arguments: takes(0), run: (_, client, parts) => new TextReply(information(client, parts)) },
        KEYSLOT: { arguments: takes(1), run: ([key]) => slotOf(key!) },
        MYID: { arguments: takes(0), run: (_, client, { cluster }) => bulk(selfOf(cluster.nodes(client.local))) },
        LINKS: { arguments: takes(0), run: () => [] },
        COUNTKEYSINSLOT: { arguments: takes(1), run: ([slot], _, parts) => countKeys(slot!, parts) },
        GETKEYSINSLOT: { arguments: takes(2), run: ([slot, count], _, parts) => getKeys(slot!, count!, parts) },
      },
      help,
    ),
  },
];

function selfOf(all: readonly ClusterNode[]): string {
  return all.find(({ isSelf }) => isSelf)?.id ?? '';
}

function slots(all: readonly ClusterNode[]): RespReply {
  const runs = all.flatMap((node) => node.slots.map(([from, to]) => ({ from, to, node })));
  return runs
    .sort((a, b) => a.from - b.from)
    .map(({ from, to, node }) => [from, to, [bulk(node.host), node.port, bulk(node.id), []]]);
}

function shards(all: readonly ClusterNode[]): RespReply {
  return all.map(
    (node) =>
      new RespMap([
        [bulk('slots'), node.slots.flat()],
        [
          bulk('nodes'),
          [
            new RespMap([
              [bulk('id'), bulk(node.id)],
              [bulk('port'), node.port],
              [bulk('ip'), bulk(node.host)],
              [bulk('endpoint'), bulk(node.host)],
              [bulk('role'), bulk('master')],
              [bulk('replication-offset'), 0],
              [bulk('health'), bulk('online')],
            ]),
          ],
        ],
      ]),
  );
}

function nodes(client: Client, { cluster }: DoorParts): string {
  const line = (node: ClusterNode): string => {
    const flags = node.isSelf ? 'myself,master' : 'master';
    const runs = node.slots.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' ');
    // Nobody speaks Redis' own protocol between nodes; tools expect its port ten thousand above.
    const address = `${node.host}:${node.port}@${Math.min(node.port + 10_000, 65_535)}`;
    return `${node.id} ${address} ${flags} - 0 0 ${cluster.epoch} connected ${runs}`.trimEnd();
  };
  return `${cluster.nodes(client.local).map(line).join('\n')}\n`;
}

function information(client: Client, { cluster }: DoorParts): string {
  const { length } = cluster.nodes(client.local);
  const fields = {
    cluster_enabled: cluster.isEnabled ? 1 : 0,
    cluster_state: 'ok',
    cluster_slots_assigned: slotCount,
    cluster_slots_ok: slotCount,
    cluster_slots_pfail: 0,
    cluster_slots_fail: 0,
    cluster_known_nodes: length,
    cluster_size: length,
    cluster_current_epoch: cluster.epoch,
    cluster_my_epoch: cluster.epoch,
    cluster_stats_messages_sent: 0,
    cluster_stats_messages_received: 0,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');
}

const invalidSlot = new ReplyError('ERR', 'Invalid slot');

function slotNumber(argument: Buffer): number | ReplyError {
  const slot = integerOf(argument);
  if (slot === undefined) return new ReplyError('ERR', 'Invalid or out of range slot');
  return slot < 0 || slot >= slotCount ? invalidSlot : slot;
}

async function getKeys(slotArgument: Buffer, countArgument: Buffer, parts: DoorParts): Promise<RespReply> {
  const slot = slotNumber(slotArgument);
  if (slot instanceof ReplyError) return slot;
  const count = integerOf(countArgument);
  if (count === undefined) return notAnInteger;
  if (count < 0) return new ReplyError('ERR', 'Invalid number of keys');
  const keys: Buffer[] = [];
  const countMax = Math.min(count, respSlotKeysMax);
  const fault = await eachPage(slot, parts, (page) => {
    for (const key of page) if (keys.length < countMax) keys.push(key);
    return keys.length < countMax;
  });
  return fault ?? keys;
}

async function countKeys(slotArgument: Buffer, parts: DoorParts): Promise<RespReply> {
  const slot = slotNumber(slotArgument);
  if (slot instanceof ReplyError) return slot;
  let count = 0;
  const fault = await eachPage(slot, parts, (page) => {
    count += page.length;
    return true;
  });
  return fault ?? count;
}

/** Hands over the keys of a slot, page by page, while `take` says so: scans list keys in the order of their slots. */
async function eachPage(
  slot: number,
  { executor }: DoorParts,
  take: (keys: readonly Buffer[]) => boolean,
): Promise<ReplyError | undefined> {
  let cursor = binaryCursor.encode({ slot, boundary: 0 });
  const count = bulk(`${respSlotPageKeys}`);
  for (;;) {
    const args = [cursor, Buffer.alloc(0), count, bulk('KEYS')];
    const reply: Reply = await executor.execute({ name: 'PREFIXSCAN', args }, libraryContext(commandDeadlineDefaultMs));
    if (reply instanceof ReplyError) return reply;
    const [next, listed] = reply as [Buffer, Buffer[]];
    const goesOn = take(listed.filter((key) => slotOf(key) === slot));
    const isDone = next.byteLength === 0 || binaryCursor.decode(next)!.slot > slot;
    if (isDone || !goesOn) return undefined;
    cursor = next;
  }
}
