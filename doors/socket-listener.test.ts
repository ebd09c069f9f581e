import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { socketRefusedMax } from '../limits.ts';
import { Authenticator } from '../security/authenticator.ts';
import type { DoorAddress } from './door.ts';
import { type SocketDoorOptions, SocketListener } from './socket-listener.ts';

const sockets: Socket[] = [];
let listener: SocketListener;
let address: DoorAddress;

async function listen(options: Partial<SocketDoorOptions>): Promise<void> {
  listener = new SocketListener(
    {
      host: '127.0.0.1',
      port: 0,
      executor: { execute: () => null },
      authenticator: new Authenticator(),
      ...options,
    },
    {
      door: 'tcp',
      tooMany: Buffer.from('too many'),
      accept: (socket) => {
        socket.resume();
        const nothing = (): undefined => undefined;
        const end = (): void => void socket.end();
        return { isIdle: false, lastReadAtMs: 0, receive: nothing, whereNext: nothing, watchForStall: nothing, end };
      },
    },
  );
  address = await listener.listen();
}

/** One that never ends its side. */
async function client(): Promise<Socket> {
  const socket = connect({ ...address, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the listener has ended its side. */
async function answerOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk as Buffer));
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener.close(0);
});

describe('a connection too many', () => {
  test('is told so, and is gone before long though its client stays', async () => {
    await listen({ connectionsMax: 1, bounds: { refusedLingerMs: 1 } });
    const first = await client();
    await expect.poll(() => listener.connections).toBe(1);
    expect(await answerOf(await client())).toBe('too many');
    first.destroy();
    // It waits for every socket that is left.
    await listener.close(600_000);
    expect(listener.statistics).toEqual({ connections: 0, accepted: 1, refused: 1, endedIdle: 0 });
  });

  test('is closed without a word where many are being told so', async () => {
    await listen({ connectionsMax: 1, bounds: { refusedLingerMs: 600_000 } });
    await client();
    await expect.poll(() => listener.connections).toBe(1);
    const told = await Promise.all(Array.from({ length: socketRefusedMax }, client));
    expect(new Set(await Promise.all(told.map(answerOf)))).toEqual(new Set(['too many']));
    expect(await answerOf(await client())).toBe('');
    expect(listener.refused).toBe(socketRefusedMax + 1);
  });
});
