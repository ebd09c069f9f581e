/** How connections end that do not move, read nothing or say nothing, at both doors that speak over plain sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Executor } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { storedTypes } from '../commands/stored-type.ts';
import { Authenticator } from '../security/authenticator.ts';
import type { Door, DoorAddress } from './door.ts';
import { SingleNode } from './resp/cluster-nodes.ts';
import { RespDoor } from './resp/resp-door.ts';
import { encodedRequest } from './resp/testing/requests.ts';
import type { SocketDoorOptions } from './socket-listener.ts';
import { commandCodes } from './tcp/protocol.ts';
import { TcpDoor } from './tcp/tcp-door.ts';
import { frame } from './tcp/testing/raw-client.ts';

interface SocketDoor extends Door {
  readonly statistics: {
    readonly connections: number;
    readonly endedIdle: number;
    readonly bytesInFlight: number;
    readonly figures: { readonly commands: number; readonly endedStalled: number; readonly endedUnread: number };
  };
}

interface Protocol {
  readonly name: string;
  open(options: SocketDoorOptions): SocketDoor;
  readonly ping: Buffer;
  readonly pong: Buffer;
  get(key: string): Buffer;
  value(bytes: Buffer): Reply;
}

const protocols: readonly Protocol[] = [
  {
    name: 'RESP',
    open: (options) =>
      new RespDoor({
        ...options,
        settings: { get: () => '{}', update: () => undefined },
        cluster: new SingleNode('test'),
      }),
    ping: encodedRequest(['PING']),
    pong: Buffer.from('+PONG\r\n'),
    get: (key) => encodedRequest(['GET', key]),
    value: (bytes) => bytes,
  },
  {
    name: 'the binary protocol',
    open: (options) => new TcpDoor(options),
    ping: frame(commandCodes.PING),
    pong: Buffer.from('\0\0\0\0\x04PONG', 'latin1'),
    get: (key) => frame(commandCodes.GET, key),
    value: (bytes) => [storedTypes.bytes, bytes],
  },
];

const MiB = 1024 * 1024;
/** Looked at often, and ended soon, so that a test takes no minute. */
const hasty = { sweepIntervalMs: 10, stallMaxMs: 100 };

describe.each(protocols)('a connection of $name', ({ open, ping, pong, get, value }) => {
  let door: SocketDoor | undefined;
  let address: DoorAddress;
  const sockets: Socket[] = [];

  async function listen(
    options: Partial<SocketDoorOptions>,
    execute: Executor['execute'] = () => null,
  ): Promise<SocketDoor> {
    door = open({ host: '127.0.0.1', port: 0, executor: { execute }, authenticator: new Authenticator(), ...options });
    address = await door.listen();
    return door;
  }

  async function client(allowHalfOpen = false): Promise<Socket> {
    const socket = connect({ ...address, noDelay: true, allowHalfOpen });
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  /** Resolves with the first bytes that come. */
  async function answer(socket: Socket, request: Buffer): Promise<Buffer> {
    const answered = once(socket, 'data');
    socket.write(request);
    const [bytes] = (await answered) as [Buffer];
    return bytes;
  }

  const ended = (socket: Socket): Promise<unknown> => once(socket.resume(), 'close');

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await door?.close(0);
  });

  test('that stops in the middle of a request is ended, and one that waits for its reply is not', async () => {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const { statistics } = await listen({ bounds: hasty }, () => promise);
    const waiting = await client();
    waiting.write(get('slow'));
    const stuck = await client();
    stuck.write(get('key').subarray(0, 3));
    await ended(stuck);
    expect(door!.statistics.figures.endedStalled).toBe(1);
    expect(statistics.endedIdle).toBe(0);
    const answered = once(waiting, 'data');
    resolve(null);
    await answered;
    expect(await answer(waiting, ping)).toEqual(pong);
  });

  test('that stops reading is ended, with all that it holds, and others are served', async () => {
    const large = value(Buffer.alloc(32 * MiB));
    await listen({ bounds: hasty }, () => large);
    const stuck = await client();
    stuck.pause();
    stuck.write(get('large'));
    await expect.poll(() => door!.statistics.bytesInFlight).toBeGreaterThan(16 * MiB);
    expect(await answer(await client(), ping)).toEqual(pong);
    await expect.poll(() => door!.statistics.figures.endedStalled).toBe(1);
    await expect.poll(() => door!.statistics.bytesInFlight).toBe(0);
  });

  test('from which nothing comes is ended after the time that is set, read at every look', async () => {
    let idleTimeoutMs = 0;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    await listen({ bounds: hasty, idleTimeoutMs: () => idleTimeoutMs }, () => promise);
    // It is told of the end, and does not end its own side for a while.
    const idle = await client(true);
    expect(await answer(idle, ping)).toEqual(pong);
    const waiting = await client();
    waiting.write(get('slow'));
    await expect.poll(() => door!.statistics.figures.commands).toBe(2);
    const told = once(idle, 'end');
    idleTimeoutMs = 1;
    await told;
    await ended(await client());
    expect(door!.statistics.endedIdle).toBe(2);
    idle.end();
    await expect.poll(() => door!.statistics.connections).toBe(1);
    idleTimeoutMs = 0;
    const answered = once(waiting, 'data');
    resolve(null);
    await answered;
  });

  test('that reads nothing of many large replies under way together is ended at a bound', async () => {
    const replies: ((reply: Reply) => void)[] = [];
    await listen({ bounds: { unsentBytesMax: 24 * MiB } }, () => new Promise((resolve) => replies.push(resolve)));
    const greedy = await client();
    greedy.pause();
    greedy.write(Buffer.concat(Array.from({ length: 16 }, (_, index) => get(`key-${index}`))));
    await expect.poll(() => replies.length).toBe(16);
    // None of them alone is too much, and one whose turn has not come yet waits as it is.
    const large = value(Buffer.alloc(3 * MiB));
    for (const reply of replies.slice(1)) reply(large);
    await expect.poll(() => door!.statistics.bytesInFlight).toBeGreaterThanOrEqual(45 * MiB);
    expect(door!.statistics.figures.endedUnread).toBe(0);
    replies[0]!(large);
    await expect.poll(() => door!.statistics).toMatchObject({ connections: 0, bytesInFlight: 0 });
    expect(door!.statistics.figures).toMatchObject({ endedUnread: 1, endedStalled: 0 });
    expect(await answer(await client(), ping)).toEqual(pong);
  });
});
