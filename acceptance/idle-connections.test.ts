/**
 * A shard whose doors hold thousands of connections that say nothing, as pools of clients do, serves one that comes after
 * them as ever. Two thousand a door here; ten thousand, the bound of each, take 3 KiB of memory each at RESP and the binary
 * protocol, 10 at HTTP and 15 at gRPC.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttackedDoor } from '../fuzz/attack.ts';
import { attackedDoors, placeWitness } from '../fuzz/doors.ts';
import { ShardProcess } from './shard-process.ts';

const names = ['resp', 'tcp', 'grpc', 'http'] as const;
const idleConnections = 2_000;
const connectionsAtOnce = 200;

const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-idle-'));
let shard: ShardProcess;
let doors: readonly AttackedDoor[];

beforeAll(async () => {
  shard = await ShardProcess.start({ dataPath, settings: { 'memory.limit': '256MiB' } });
  doors = attackedDoors(shard);
  await placeWitness(shard);
});
afterAll(async () => {
  await shard?.dispose();
  rmSync(dataPath, { recursive: true, force: true });
});

async function openIdle({ port, opening }: AttackedDoor): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  // One that its door resets is counted as closed.
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  if (opening !== undefined) socket.write(opening);
  return socket.resume();
}

test.each(names)('two thousand idle connections at %s, and one that works', async (name) => {
  const door = doors.find((each) => each.name === name)!;
  const sockets: Socket[] = [];
  let closed = 0;
  for (let opened = 0; opened < idleConnections; opened += connectionsAtOnce) {
    const more = await Promise.all(Array.from({ length: connectionsAtOnce }, () => openIdle(door)));
    for (const socket of more) socket.on('close', () => (closed += 1));
    sockets.push(...more);
  }
  // It is accepted behind all of them.
  await door.witness();
  // HTTP's are closed before long, as those of no request.
  if (name !== 'http') expect(closed).toBe(0);
  for (const socket of sockets) socket.destroy();
  await door.witness();
});

// Elsewhere the system's own queue may be shorter.
test.skipIf(process.platform !== 'linux').each(names)(
  'a thousand clients that come to %s while it is busy are taken when it is not',
  async (name) => {
    const door = doors.find((each) => each.name === name)!;
    shard.signal('SIGSTOP');
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => openIdle(door)));
    shard.signal('SIGCONT');
    await door.witness();
    for (const socket of sockets) socket.destroy();
  },
);

test('the shard ends as it should after all of them', async () => {
  expect(await shard.end('SIGTERM')).toEqual({ code: 0, signal: null });
});
