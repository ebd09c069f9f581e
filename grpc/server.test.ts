import { once } from 'node:events';
import { connect as connectHttp2, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerCall } from './server-call.ts';
import { GrpcServer, type GrpcServerOptions } from './server.ts';
import { GrpcError, grpcStatus } from './status.ts';
import { frameType } from '../http2/protocol.ts';
import { raw as rawPeer, rawFrame, rawOpening, RawPeer, requestFields } from '../http2/testing/raw-peer.ts';
import { until } from '../testing/until.ts';
import { EchoClient, echoService, type EchoMessage } from './testing/echo.ts';

const servers: GrpcServer[] = [];
const clients: EchoClient[] = [];
const sessions: ClientHttp2Session[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const session of sessions.splice(0)) session.destroy();
  for (const server of servers.splice(0)) await server.close(0);
});

async function start(options: GrpcServerOptions = {}): Promise<{ server: GrpcServer; port: number }> {
  const server = new GrpcServer(options);
  servers.push(server);
  const port = await server.listen('127.0.0.1', 0);
  return { server, port };
}

function clientOf(port: number): EchoClient {
  const client = new EchoClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  clients.push(client);
  return client;
}

function unary(client: EchoClient, text: string | Buffer, options: { deadline?: number } = {}): Promise<EchoMessage> {
  return new Promise((resolve, reject) => {
    client.unary({ body: Buffer.from(text) }, new Metadata(), options, (error, answer) => {
      if (error) reject(error);
      else resolve(answer!);
    });
  });
}

async function faultOf(promise: Promise<unknown>): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('expected a fault');
}

/** Headers and trailers of one hand-made request, for what no client would send. */
async function raw(
  port: number,
  headers: Record<string, string>,
  body: Buffer,
): Promise<{ response: IncomingHttpHeaders; trailers: IncomingHttpHeaders; data: Buffer }> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  sessions.push(session);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Echo/Unary',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on('trailers', (received) => (trailers = received));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.end(body);
  const [response] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  if (!stream.closed) await once(stream, 'close');
  return { response, trailers, data: Buffer.concat(chunks) };
}

/** A session whose connection can break as that of a machine that is gone does: without a word. */
function cuttable(port: number): { session: ClientHttp2Session; cut: () => void } {
  const socket = connectTcp(port, '127.0.0.1');
  const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
  session.on('error', () => undefined);
  sessions.push(session);
  return { session, cut: () => socket.resetAndDestroy() };
}

function framed(flag: number, message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

describe('unary calls from a grpc-js client', () => {
  it('answers ten thousand small calls', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const client = clientOf(port);
    let sent = 0;
    const worker = async (): Promise<void> => {
      while (sent < 10_000) {
        const text = `message ${sent++}`;
        expect((await unary(client, text)).body.toString()).toBe(text);
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    await until(() => server.statistics.streams === 0);
    expect(server.statistics).toMatchObject({ connections: 1, bytesInFlight: 0, refused: 0 });
  });

  it('carries an empty message and messages around every internal size', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const client = clientOf(port);
    const MiB = 1024 * 1024;
    for (const size of [0, 1, 4095, 4096, 4097, 16_384, 65_536, 1_200_000, 4 * MiB, 4 * MiB + 1, 40 * MiB]) {
      const body = Buffer.alloc(size, 'a pattern of thirty-one letters');
      expect((await unary(client, body)).body.equals(body)).toBe(true);
    }
  });

  it('gives large messages memory of their own', async () => {
    const { server, port } = await start();
    let backing = 0;
    server.addUnary({ ...echoService.unary, requestDeserialize: (body) => ({ body }) }, (request) => {
      backing = request.body.buffer.byteLength;
      return request;
    });
    await unary(clientOf(port), Buffer.alloc(5000));
    expect(backing).toBe(5000);
  });

  it('sends a gather list as one message', async () => {
    const { server, port } = await start();
    server.addUnary(
      {
        ...echoService.unary,
        responseSerialize: ({ body }: EchoMessage) => [body.subarray(0, 3), body.subarray(3), Buffer.from('!')],
      },
      (request) => request,
    );
    const body = Buffer.alloc(100_000, 'x');
    expect((await unary(clientOf(port), body)).body.toString()).toBe(`${body.toString()}!`);
  });

  it('answers a handler that throws or rejects with the status that it names', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, async ({ body }) => {
      if (body.toString() === 'sync')
        throw new GrpcError(grpcStatus.NOT_FOUND, 'no “such” 100 % thing\n', { hint: 'look' });
      await Promise.resolve();
      throw new Error('boom');
    });
    const client = clientOf(port);
    const named = await faultOf(unary(client, 'sync'));
    expect(named).toMatchObject({ code: status.NOT_FOUND, details: 'no “such” 100 % thing\n' });
    expect(named.metadata.get('hint')).toEqual(['look']);
    expect(await faultOf(unary(client, 'async'))).toMatchObject({ code: status.UNKNOWN, details: 'boom' });
  });

  it('answers UNIMPLEMENTED for a method that it does not serve', async () => {
    const { port } = await start();
    expect(await faultOf(unary(clientOf(port), 'x'))).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: 'The server does not implement the method /test.Echo/Unary',
    });
  });

  it('answers INTERNAL for a message that is none', async () => {
    const { server, port } = await start();
    const method = {
      ...echoService.unary,
      requestDeserialize: (): EchoMessage => {
        throw new Error('not a message');
      },
    };
    server.addUnary(method, (request) => request);
    expect(await faultOf(unary(clientOf(port), 'x'))).toMatchObject({
      code: status.INTERNAL,
      details: 'Error deserializing request',
    });
  });

  it('refuses a message above the bound on its prefix, before it has arrived', async () => {
    const { server, port } = await start({ messageBytesMax: 1000 });
    server.addUnary(echoService.unary, (request) => request);
    const client = clientOf(port);
    expect(await faultOf(unary(client, Buffer.alloc(30_000_000)))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: 'Received message larger than max (30000000 vs 1000)',
    });
    expect((await unary(client, Buffer.alloc(1000))).body.byteLength).toBe(1000);
  });

  it('ends a call at its deadline and tells the handler', async () => {
    const { server, port } = await start();
    const cancelled = Promise.withResolvers<ServerCall>();
    server.addUnary(echoService.unary, (request, call) => {
      expect(call.deadlineMs).toBeLessThan(Date.now() + 1000);
      call.signal.addEventListener('abort', () => cancelled.resolve(call));
      return new Promise(() => request);
    });
    const fault = await faultOf(unary(clientOf(port), 'x', { deadline: Date.now() + 50 }));
    expect(fault.code).toBe(status.DEADLINE_EXCEEDED);
    expect((await cancelled.promise).cancelled).toBe(true);
    await until(() => server.statistics.bytesInFlight === 0);
  });

  it('cancels the call of a client that cancels, and of one that vanishes', async () => {
    const { server, port } = await start();
    const started: ServerCall[] = [];
    const aborted: ServerCall[] = [];
    server.addUnary(echoService.unary, (request, call) => {
      started.push(call);
      call.signal.addEventListener('abort', () => aborted.push(call));
      return new Promise(() => request);
    });
    const client = clientOf(port);
    const call = client.unary({ body: Buffer.from('x') }, new Metadata(), {}, () => undefined);
    await until(() => started.length === 1);
    call.cancel();
    await until(() => aborted.length === 1);

    const { session, cut } = cuttable(port);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.end(framed(0, Buffer.from('y')));
    await until(() => started.length === 2);
    cut();
    await until(() => aborted.length === 2);
    await until(() => server.statistics.connections === 1 && server.statistics.bytesInFlight === 0);
  });

  it('forgets the half message of a client that vanishes inside it', async () => {
    const { server, port } = await start();
    let handled = 0;
    server.addUnary(echoService.unary, (request) => {
      handled++;
      return request;
    });
    const { session, cut } = cuttable(port);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.write(framed(0, Buffer.alloc(2_000_000)).subarray(0, 1_000_000));
    await until(() => server.statistics.bytesInFlight > 0);
    cut();
    await until(() => server.statistics.connections === 0);
    expect(server.statistics).toMatchObject({ streams: 0, bytesInFlight: 0 });
    expect(handled).toBe(0);
  });

  it('does not handle a whole message whose client vanished before it had finished', async () => {
    const { server, port } = await start();
    let handled = 0;
    server.addUnary(echoService.unary, (request) => {
      handled++;
      return request;
    });
    const headers = { ':method': 'POST', ':path': '/test.Echo/Unary', 'content-type': 'application/grpc' };
    const { session, cut } = cuttable(port);
    const stream = session.request(headers);
    stream.on('error', () => undefined);
    stream.write(framed(0, Buffer.alloc(10_000)));
    await until(() => server.statistics.bytesInFlight > 0);
    cut();
    await until(() => server.statistics.streams === 0);
    expect(server.statistics.bytesInFlight).toBe(0);
    expect(handled).toBe(0);
  });

  it('refuses calls beyond the bytes in flight and takes them again afterwards', async () => {
    const { server, port } = await start({ inFlightBytesMax: 2_000_000 });
    const release = Promise.withResolvers<void>();
    server.addUnary({ ...echoService.unary, responseSerialize: () => Buffer.alloc(0) }, async (request) => {
      await release.promise;
      return request;
    });
    const client = clientOf(port);
    const first = unary(client, Buffer.alloc(1_500_000));
    await until(() => server.statistics.bytesInFlight >= 1_500_000);
    const fault = await faultOf(unary(client, Buffer.alloc(1_500_000)));
    expect(fault.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(fault.details).toContain('try again');
    expect(server.statistics.refused).toBe(1);
    release.resolve();
    await first;
    await until(() => server.statistics.bytesInFlight === 0);
    await unary(client, Buffer.alloc(1_500_000));
  });
});

describe('hand-made requests', () => {
  it('inflates gzip and deflate, and refuses what inflates beyond the bound', async () => {
    const { server, port } = await start({ messageBytesMax: 100_000 });
    server.addUnary(echoService.unary, (request) => request);
    const body = Buffer.alloc(50_000, 'z');
    const gzip = { 'grpc-encoding': 'gzip' };
    const good = await raw(port, gzip, framed(1, gzipSync(body)));
    expect(good.trailers['grpc-status']).toBe('0');
    expect(good.data.subarray(5).equals(body)).toBe(true);
    const bomb = await raw(port, gzip, framed(1, gzipSync(Buffer.alloc(10_000_000))));
    expect(bomb.response['grpc-status']).toBe('8');
    const broken = await raw(port, gzip, framed(1, Buffer.from('not gzip at all')));
    expect(broken.response['grpc-status']).toBe('13');
    const unsaid = await raw(port, {}, framed(1, gzipSync(body)));
    expect(unsaid.response['grpc-status']).toBe('13');
    await until(() => server.statistics.bytesInFlight === 0);
  });

  it('answers an encoding that it does not know with those that it does', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const { response } = await raw(port, { 'grpc-encoding': 'snappy' }, framed(0, Buffer.from('x')));
    expect(response['grpc-status']).toBe('12');
    expect(response['grpc-accept-encoding']).toBe('identity,gzip,deflate');
  });

  it('answers INTERNAL for a malformed timeout, a cut message and a wrong flag', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const timeout = await raw(port, { 'grpc-timeout': 'soon' }, framed(0, Buffer.from('x')));
    expect(timeout.response).toMatchObject({
      'grpc-status': '13',
      'grpc-message': 'Invalid grpc-timeout value "soon"',
    });
    const cut = await raw(port, {}, framed(0, Buffer.from('hello')).subarray(0, 7));
    expect(cut.response['grpc-status']).toBe('13');
    const flag = await raw(port, {}, framed(9, Buffer.from('hello')));
    expect(flag.response['grpc-status']).toBe('13');
  });

  it('answers UNIMPLEMENTED for no message and for two, as grpc-js does', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    expect((await raw(port, {}, Buffer.alloc(0))).response['grpc-status']).toBe('12');
    const two = Buffer.concat([framed(0, Buffer.from('a')), framed(0, Buffer.from('b'))]);
    expect((await raw(port, {}, two)).response['grpc-status']).toBe('12');
  });

  it('answers 415 to what is not gRPC', async () => {
    const { port } = await start();
    const { response } = await raw(port, { 'content-type': 'application/json' }, Buffer.from('{}'));
    expect(response[':status']).toBe(415);
  });

  it('takes a message that comes byte by byte', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    sessions.push(session);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    for (const byte of framed(0, Buffer.from('hello'))) {
      await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
    }
    stream.end();
    await once(stream, 'close');
    expect(Buffer.concat(chunks).subarray(5).toString()).toBe('hello');
  });

  it('survives a peer that speaks no HTTP/2', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const socket = connectTcp(port, '127.0.0.1');
    socket.end('GET / HTTP/1.1\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect((await unary(clientOf(port), 'still here')).body.toString()).toBe('still here');
  });
});

describe('streams made for grpc-js', () => {
  it('serves all four kinds of methods', async () => {
    const { server, port } = await start();
    server.addService(echoService, {
      unary: (call: { request: EchoMessage }, respond: (error: null, answer: EchoMessage) => void) =>
        respond(null, call.request),
      collect: (
        call: AsyncIterable<EchoMessage>,
        respond: (error: Error | null, answer?: EchoMessage, trailer?: Metadata) => void,
      ) => {
        void (async (): Promise<void> => {
          const bodies: Buffer[] = [];
          for await (const { body } of call) bodies.push(body);
          const trailer = new Metadata();
          trailer.set('count', String(bodies.length));
          respond(null, { body: Buffer.concat(bodies) }, trailer);
        })();
      },
      expand: (call: { request: EchoMessage; write(m: EchoMessage): boolean; end(): void }) => {
        for (const byte of call.request.body) call.write({ body: Buffer.of(byte) });
        call.end();
      },
      both: (call: NodeJS.ReadWriteStream) => {
        call.on('data', (message: unknown) => call.write(message as Buffer));
        call.on('end', () => call.end());
      },
    });
    const client = clientOf(port);
    expect((await unary(client, 'one')).body.toString()).toBe('one');

    const collected = await new Promise<EchoMessage>((resolve, reject) => {
      const call = client.collect((error, answer) => (error ? reject(error) : resolve(answer!)));
      for (const text of ['a', 'b', 'c']) call.write({ body: Buffer.from(text) });
      call.end();
    });
    expect(collected.body.toString()).toBe('abc');

    const expanded: string[] = [];
    for await (const message of client.expand({ body: Buffer.from('xyz') }) as AsyncIterable<EchoMessage>) {
      expanded.push(message.body.toString());
    }
    expect(expanded).toEqual(['x', 'y', 'z']);

    const both = client.both();
    const answers: number[] = [];
    both.on('data', (message: EchoMessage) => answers.push(message.body.byteLength));
    for (let size = 0; size < 200; size++) both.write({ body: Buffer.alloc(size * 1000) });
    both.end();
    const [end] = (await once(both, 'status')) as [{ code: number }];
    expect(end.code).toBe(status.OK);
    expect(answers).toEqual(Array.from({ length: 200 }, (_, size) => size * 1000));
  });

  it('tells a streaming handler that its client has cancelled', async () => {
    const { server, port } = await start();
    const cancelled = Promise.withResolvers<boolean>();
    server.addService(echoService, {
      expand: (call: NodeJS.EventEmitter & { cancelled: boolean; write(m: EchoMessage): boolean }) => {
        call.on('cancelled', () => cancelled.resolve(call.cancelled));
        call.write({ body: Buffer.from('first') });
      },
    });
    const call = clientOf(port).expand({ body: Buffer.alloc(0) });
    call.on('error', () => undefined);
    await once(call, 'data');
    call.cancel();
    expect(await cancelled.promise).toBe(true);
  });

  it('ends a stream with the status of an emitted error', async () => {
    const { server, port } = await start();
    server.addService(echoService, {
      both: (call: NodeJS.EventEmitter) => {
        call.emit('error', { code: status.ABORTED, details: 'enough' });
      },
    });
    const call = clientOf(port).both();
    const [fault] = (await once(call, 'error')) as [ServiceError];
    expect(fault).toMatchObject({ code: status.ABORTED, details: 'enough' });
  });
});

describe('clients that hang', () => {
  it('lose a call that stops inside a message', async () => {
    const { server, port } = await start({ keepaliveMs: 10, stallMaxMs: 30 });
    server.addUnary(echoService.unary, (request) => request);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    sessions.push(session);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
    });
    stream.write(framed(0, Buffer.alloc(10_000)).subarray(0, 5_000));
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect(server.statistics).toMatchObject({ streams: 0, bytesInFlight: 0, connections: 1 });
  });

  it('lose a connection that stays in the middle of a frame or of a header block', async () => {
    const { server, port } = await start({ keepaliveMs: 10 });
    for (const unfinished of [
      rawFrame(frameType.ping, 0, 0, Buffer.alloc(8)).subarray(0, 6),
      rawFrame(frameType.headers, 0, 1, Buffer.from([0x83])),
    ]) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(Buffer.concat([rawOpening, unfinished]));
      await once(socket.resume(), 'close');
      await until(() => server.statistics.connections === 0);
    }
  });

  it('lose a connection that answers no pings', async () => {
    const { server, port } = await start({ keepaliveMs: 10 });
    let begun = 0;
    server.addUnary(echoService.unary, (request) => {
      begun++;
      return new Promise(() => request);
    });
    // A relay that forwards the call and, from then on, nothing that the client says.
    const relay = createTcpServer((inbound) => {
      const outbound = connectTcp(port, '127.0.0.1');
      outbound.pipe(inbound);
      inbound.on('data', (chunk) => begun === 0 && outbound.write(chunk));
      for (const socket of [inbound, outbound]) socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const call = faultOf(unary(clientOf((relay.address() as AddressInfo).port), 'x'));
    await until(() => begun === 1);
    await until(() => server.statistics.connections === 0);
    expect((await call).code).toBe(status.UNAVAILABLE);
    relay.close();
  });

  it('lose calls that move a byte at a time, in or out, and the bytes that those hold', async () => {
    const { server, port } = await start({ keepaliveMs: 50, stallMaxMs: 100 });
    server.addUnary(echoService.unary, (request) => request);
    const peer = await RawPeer.connect(port);
    peer.answersPings = true;
    const fields = [
      ...requestFields.slice(0, 2),
      [':path', '/test.Echo/Unary'],
      ['content-type', 'application/grpc'],
    ] as const;
    const answered = framed(0, Buffer.alloc(9_000));
    peer.send(rawOpening, rawPeer.settings([4, 0]), rawPeer.headers(1, fields), rawPeer.headers(3, fields));
    peer.send(rawPeer.data(1, answered, true), rawPeer.data(3, answered.subarray(0, 10)));
    const dribble = setInterval(() => peer.send(rawPeer.window(1, 1), rawPeer.data(3, Buffer.alloc(1))), 5);
    const codes = await Promise.all([peer.resetOf(1), peer.resetOf(3)]);
    clearInterval(dribble);
    expect(codes).toEqual([constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL]);
    expect(peer.frames.some(({ type, stream }) => type === frameType.data && stream === 1)).toBe(true);
    expect(server.statistics).toMatchObject({ streams: 0, bytesInFlight: 0, connections: 1 });
    peer.socket.destroy();
  });

  it('lose calls whose answers they do not read, and hold up nobody', async () => {
    const { server, port } = await start({ keepaliveMs: 500, stallMaxMs: 400 });
    server.addUnary(echoService.unary, (request) => request);
    // Windows that are never opened again: the first kilobyte of every answer, and no more.
    const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1_024 } });
    sessions.push(session);
    const streams = Array.from({ length: 20 }, () =>
      session.request({ ':method': 'POST', ':path': '/test.Echo/Unary', 'content-type': 'application/grpc' }),
    );
    const closed = streams.map((stream) => once(stream, 'close'));
    for (const stream of streams) stream.pause().end(framed(0, Buffer.alloc(1_000_000)));
    await Promise.all(streams.map((stream) => once(stream, 'response')));
    expect((await unary(clientOf(port), 'another')).body.toString()).toBe('another');
    for (const stream of streams) stream.on('error', () => undefined);
    await until(() => server.statistics.streams === 0);
    expect(server.statistics.bytesInFlight).toBe(0);
    session.destroy();
    await Promise.all(closed);
  });

  it('and vanish, wherever in what they say, leave nothing behind', async () => {
    const { server, port } = await start();
    server.addUnary(echoService.unary, (request) => request);
    const said: Buffer[] = [];
    const relay = createTcpServer((inbound) => {
      const outbound = connectTcp(port, '127.0.0.1');
      inbound.on('data', (chunk: Buffer) => said.push(chunk));
      inbound.pipe(outbound).pipe(inbound);
      for (const socket of [inbound, outbound]) socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const relayPort = (relay.address() as AddressInfo).port;
    await raw(relayPort, {}, framed(0, Buffer.from('some bytes')));
    const bytes = Buffer.concat(said);
    for (let cut = 0; cut <= bytes.byteLength; cut++) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => undefined).resume();
      socket.end(bytes.subarray(0, cut));
      await once(socket, 'close');
    }
    expect((await unary(clientOf(port), 'still there')).body.toString()).toBe('still there');
    for (const session of sessions.splice(0)) session.destroy();
    await until(() => server.statistics.connections === 1);
    expect(server.statistics).toMatchObject({ streams: 0, bytesInFlight: 0 });
    relay.close();
  });

  it('beyond the number of connections are refused', async () => {
    const { server, port } = await start({ connectionsMax: 1 });
    server.addUnary(echoService.unary, (request) => request);
    await unary(clientOf(port), 'first');
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    expect(server.statistics).toMatchObject({ connections: 1, refused: 1 });
  });
});

describe('the end of a server', () => {
  it('lets calls in flight finish, refuses new ones, and then ends', async () => {
    const { server, port } = await start();
    const release = Promise.withResolvers<void>();
    let started = 0;
    server.addUnary(echoService.unary, async (request) => {
      started++;
      await release.promise;
      return request;
    });
    const client = clientOf(port);
    const inFlight = unary(client, 'in flight');
    await until(() => started === 1);
    const closed = server.close(10_000);
    release.resolve();
    expect((await inFlight).body.toString()).toBe('in flight');
    await closed;
    expect(server.statistics.connections).toBe(0);
    expect((await faultOf(unary(client, 'late'))).code).toBe(status.UNAVAILABLE);
  });

  it('ends calls that outlast the grace', async () => {
    const { server, port } = await start();
    let started = 0;
    server.addUnary(echoService.unary, () => {
      started++;
      return new Promise(() => undefined);
    });
    const outlasting = faultOf(unary(clientOf(port), 'x'));
    await until(() => started === 1);
    await server.close(0);
    expect(await outlasting).toMatchObject({ code: status.UNAVAILABLE, details: 'the server is shutting down' });
  });

  it('moves old connections on without failing a call', async () => {
    const { server, port } = await start({ maxConnectionAgeMs: 30 });
    const peers = new Set<string>();
    server.addUnary(echoService.unary, (request, call) => {
      peers.add(call.peer);
      return request;
    });
    const client = clientOf(port);
    while (peers.size < 4) await unary(client, 'on');
    expect(peers.size).toBeGreaterThanOrEqual(4);
  });
});
