/** Our client against our server: whatever the sizes, windows, pauses and resets, every byte comes once and in order. */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { TestAuthority } from '../testing/certificates.ts';
import { until } from '../testing/until.ts';
import { errorCode, streamIdMax } from './protocol.ts';
import {
  type Connection,
  connectionOver,
  CountingAccount,
  echo,
  exchange,
  MiB,
  openClient,
  request,
  type Serve,
  TestServer,
  writeAll,
} from './testing/endpoints.ts';

let server: TestServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Bytes that tell their place. */
function pattern(bytes: number, seed: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) body[at] = (at * 31 + (at >> 8) * 7 + seed) & 0xff;
  return body;
}

/** Answers with what comes while it comes; pauses every so many chunks, for a turn of the event loop. */
function relay(pauseEvery: number): Serve {
  return ({ stream, received }) => {
    let chunks = 0;
    let isFull = false;
    stream.sendHeaders({ ':status': '200' });
    received.onChunk = (chunk): void => {
      isFull = !stream.write([Buffer.from(chunk)]);
      if (isFull) stream.pause();
      if (++chunks % pauseEvery !== 0) return;
      stream.pause();
      setImmediate(() => isFull || stream.resume());
    };
    received.whenDrained = (): void => {
      isFull = false;
      stream.resume();
    };
    received.whenEnded = (): void => stream.end({ 'x-end': 'yes' });
  };
}

interface Call {
  readonly parts: readonly number[];
  readonly pauseEvery: number;
  /** After so many chunks of the answer; 0: never. */
  readonly resetAfter: number;
}

const window = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: 3_000 }), fc.constant(8 * MiB));
const call: fc.Arbitrary<Call> = fc.record({
  parts: fc.array(fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 9_000 })), { maxLength: 5 }),
  pauseEvery: fc.integer({ min: 1, max: 9 }),
  resetAfter: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 1, max: 4 })),
});

async function run(client: Connection, { parts, pauseEvery, resetAfter }: Call, seed: number): Promise<void> {
  const { stream, received } = request(client);
  let chunks = 0;
  received.onChunk = (): void => {
    chunks += 1;
    if (chunks === resetAfter) stream.reset(errorCode.cancel);
    if (chunks % pauseEvery !== 0) return;
    stream.pause();
    setImmediate(() => stream.resume());
  };
  const body = pattern(
    parts.reduce((sum, bytes) => sum + bytes, 0),
    seed,
  );
  let at = 0;
  await writeAll(
    stream,
    received,
    parts.map((bytes) => body.subarray(at, (at += bytes))),
  );
  stream.end();
  const { code } = await received.closed;
  if (code === errorCode.noError) {
    expect(received.body.equals(body)).toBe(true);
    expect(received.trailers).toEqual({ 'x-end': 'yes' });
  } else {
    expect(code).toBe(errorCode.cancel);
    expect(received.body.equals(body.subarray(0, received.body.byteLength))).toBe(true);
  }
}

describe('a client and a server', () => {
  it('pass every byte once and in order, and hold none when all is over', async () => {
    const property = fc.asyncProperty(
      fc.record({
        serverWindow: window,
        clientWindow: window,
        streamsMax: fc.integer({ min: 1, max: 5 }),
        pauseEvery: fc.integer({ min: 1, max: 9 }),
        calls: fc.array(call, { minLength: 1, maxLength: 8 }),
      }),
      async ({ serverWindow, clientWindow, streamsMax, pauseEvery, calls }) => {
        server = await TestServer.listen(relay(pauseEvery), {
          streamWindowBytes: serverWindow,
          connectionWindowBytes: serverWindow,
          streamsMax,
        });
        const account = new CountingAccount();
        const client = await openClient(server.port, {
          streamWindowBytes: clientWindow,
          connectionWindowBytes: clientWindow,
          account,
        });
        await until(() => client.http2.isReady);
        await Promise.all(calls.map((item, index) => run(client, item, index)));
        await until(() => server!.streams.every(({ received }) => received.isClosed));
        await until(() => account.bytes === 0 && server!.account.bytes === 0);
        // The connection's windows are whole again: as much goes through as ever.
        expect((await exchange(client, pattern(1_000, 1))).received.body.byteLength).toBe(1_000);
        client.http2.destroy();
        await client.closed;
        await server.close();
        expect([account.bytes, server.account.bytes]).toEqual([0, 0]);
      },
    );
    await fc.assert(property, { numRuns: 15 });
  });

  it('keep a window whole for others when streams are reset with data that waits', async () => {
    server = await TestServer.listen(({ stream }) => stream.pause(), {
      streamWindowBytes: 50_000,
      connectionWindowBytes: 100_000,
    });
    const client = await openClient(server.port);
    for (let round = 0; round < 20; round++) {
      const { stream, received } = request(client);
      stream.write([Buffer.alloc(40_000)]);
      await until(() => server!.streams.length === round + 1);
      await new Promise<void>((resolve) => client.http2.ping(resolve));
      if (round % 2 === 0) stream.reset(errorCode.cancel);
      else server.streams[round]!.stream.reset(errorCode.cancel);
      await received.closed;
    }
    await until(() => server!.streams.every(({ received }) => received.isClosed));
  });

  it('deliver what waits, in order, to a listener that pauses and resumes while it takes it', async () => {
    const chunks: string[] = [];
    server = await TestServer.listen(({ stream, received }) => {
      stream.pause();
      received.onChunk = (chunk): void => {
        chunks.push(chunk.toString('latin1', 0, 1));
        stream.pause();
        stream.resume();
      };
      received.whenEnded = (): void => stream.sendHeaders({ ':status': '200' }, true);
    });
    const client = await openClient(server.port);
    const { stream, received } = request(client);
    for (const letter of 'abcdef') stream.write([Buffer.alloc(2_000, letter)]);
    stream.end();
    await until(() => server!.streams.length === 1);
    await new Promise<void>((resolve) => client.http2.ping(resolve));
    server.streams[0]!.stream.resume();
    await received.closed;
    expect(chunks.join('')).toBe('abcdef');
  });

  it('count bodies that cannot be sent, and no longer when the connection is gone', async () => {
    server = await TestServer.listen(({ stream }) => stream.pause(), { streamWindowBytes: 70_000 });
    const account = new CountingAccount();
    const client = await openClient(server.port, { account });
    const calls = [1, 2, 3].map(() => request(client));
    // The first that hears of the end still writes to another: nothing may count from then on.
    const first = calls[0]!.received;
    const onClose = first.onClose.bind(first);
    first.onClose = (code, isLost): void => {
      calls[2]!.stream.write([Buffer.alloc(MiB)]);
      onClose(code, isLost);
    };
    for (const { stream } of calls) stream.write([Buffer.alloc(MiB)]);
    expect(account.bytes).toBe(3 * MiB);
    server.connections[0]?.http2.destroy();
    await until(() => server!.connections.length === 1);
    server.connections[0]!.http2.destroy();
    for (const { received } of calls) expect((await received.closed).isLost).toBe(true);
    await nextTurn();
    expect(account.bytes).toBe(0);
  });

  it('let go of calls that are cancelled before there is room for them', async () => {
    server = await TestServer.listen(echo, { streamsMax: 1 });
    const client = await openClient(server.port);
    await until(() => client.http2.isReady);
    const open = request(client);
    for (let index = 0; index < 50; index++) {
      const { stream, received } = request(client);
      stream.write([Buffer.from('never')], true);
      stream.reset(errorCode.cancel);
      expect(await received.closed).toEqual({ code: errorCode.cancel, isLost: false });
    }
    open.stream.write([Buffer.from('x')], true);
    await open.received.closed;
    expect((await exchange(client, Buffer.from('y'))).received.body.toString()).toBe('y');
    expect(server.streams).toHaveLength(2);
  });

  it('write nothing behind the end, so that a slow reader still gets all of it', async () => {
    const body = pattern(6 * MiB, 3);
    server = await TestServer.listen(({ stream }) => {
      stream.sendHeaders({ ':status': '200' });
      stream.write([body], true);
    });
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    const client = connectionOver(socket, { role: 'client' });
    const { stream, received } = request(client);
    stream.end();
    server.connections[0]?.http2.drain();
    await until(() => server!.connections.length === 1);
    server.connections[0]!.http2.drain();
    received.onChunk = (): void => {
      // Questions until the end, and after it.
      client.http2.ping(() => undefined);
      socket.pause();
      setImmediate(() => socket.resume());
    };
    expect(await received.closed).toEqual({ code: errorCode.noError, isLost: false });
    expect(received.body.equals(body)).toBe(true);
    await client.closed;
  });

  it('lose no call that was on its way when the server drains, and the client learns which were not', async () => {
    server = await TestServer.listen(echo);
    let client = await openClient(server.port);
    let answered = 0;
    const clients = [client];
    const one = async (index: number): Promise<void> => {
      if (!client.http2.isUsable) {
        const next = await openClient(server!.port);
        if (!client.http2.isUsable) clients.push((client = next));
        else next.http2.destroy();
        return one(index);
      }
      const { received, closed } = await exchange(client, Buffer.from(`${index}`));
      if (closed.code === errorCode.refusedStream) return one(index);
      expect(closed).toEqual({ code: errorCode.noError, isLost: false });
      expect(received.body.toString()).toBe(`${index}`);
      answered += 1;
    };
    const calls: Promise<void>[] = [];
    for (let index = 0; index < 400; index++) {
      calls.push(one(index));
      if (index % 90 === 45) for (const { http2 } of server.connections) http2.drain();
      if (index % 10 === 0) await nextTurn();
    }
    await Promise.all(calls);
    expect(answered).toBe(400);
    expect(server.streams).toHaveLength(400);
    expect(clients.length).toBeGreaterThan(1);
    await Promise.all(clients.slice(0, -1).map(({ closed }) => closed));
  });

  it('go on over a new connection when the numbers of streams are used up', async () => {
    server = await TestServer.listen(echo, { streamsMax: 2 });
    const client = await openClient(server.port, { firstStreamId: streamIdMax - 4 });
    await until(() => client.http2.isReady);
    const calls = [0, 1, 2].map(() => request(client));
    // The third takes the last number once there is room for it.
    expect(client.http2.isUsable).toBe(true);
    const fourth = request(client);
    for (const { stream } of [...calls, fourth]) stream.write([Buffer.from('x')], true);
    expect((await fourth.received.closed).code).toBe(errorCode.refusedStream);
    for (const { received } of calls) expect((await received.closed).code).toBe(errorCode.noError);
    expect([client.http2.isUsable, client.goAways]).toEqual([false, 1]);
    await client.closed;
  });

  it('speak over TLS', async () => {
    const authority = new TestAuthority();
    const serving = new TestServer(echo);
    const tls = createTlsServer({ ...authority.issue('server'), ALPNProtocols: ['h2'] }, (socket) =>
      serving.take(socket),
    );
    tls.listen(0, '127.0.0.1');
    await once(tls, 'listening');
    const { port } = tls.address() as AddressInfo;
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      ca: authority.cert,
      servername: 'localhost',
      ALPNProtocols: ['h2'],
    });
    await once(socket, 'secureConnect');
    const client = connectionOver(socket, { role: 'client' });
    const body = pattern(3 * MiB, 9);
    const answers = await Promise.all([1, 2, 3].map(() => exchange(client, body)));
    for (const { received } of answers) expect(received.body.equals(body)).toBe(true);
    serving.connections[0]!.http2.drain();
    await client.closed;
    tls.close();
    expect(serving.account.bytes).toBe(0);
  });
});
