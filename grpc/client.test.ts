import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../testing/free-port.ts';
import { GrpcChannel, type GrpcChannelOptions } from './client.ts';
import { GrpcServer } from './server.ts';
import { GrpcError, grpcStatus } from './status.ts';
import { until } from '../testing/until.ts';
import { type EchoMessage, echoService } from './testing/echo.ts';

const channels: GrpcChannel[] = [];
const stops: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  for (const stop of stops.splice(0)) await stop();
});

type UnaryImplementation = (
  call: ServerUnaryCall<EchoMessage, EchoMessage>,
  answer: sendUnaryData<EchoMessage>,
) => void;
type BothImplementation = (call: ServerDuplexStream<EchoMessage, EchoMessage>) => void;

/** A real grpc-js server. */
async function peer(unary: UnaryImplementation, both: BothImplementation = (call) => call.end()): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService({ unary: echoService.unary, both: echoService.both }, { unary, both });
  stops.push(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

function channelTo(port: number, options: GrpcChannelOptions = {}): GrpcChannel {
  const channel = new GrpcChannel(`127.0.0.1:${port}`, options);
  channels.push(channel);
  return channel;
}

function message(text: string): EchoMessage {
  return { body: Buffer.from(text) };
}

async function faultOf(promise: Promise<unknown>): Promise<GrpcError> {
  const fault = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(fault instanceof GrpcError)) throw new Error(`expected a GrpcError, not ${String(fault)}`);
  return fault;
}

describe('unary calls to a grpc-js server', () => {
  it('makes ten thousand small calls over two connections', async () => {
    const peers = new Set<string>();
    const port = await peer((call, answer) => {
      peers.add(call.getPeer());
      answer(null, call.request);
    });
    const channel = channelTo(port, { connections: 2 });
    let sent = 0;
    const worker = async (): Promise<void> => {
      while (sent < 10_000) {
        const text = `message ${sent++}`;
        expect((await channel.unary(echoService.unary, message(text))).body.toString()).toBe(text);
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    expect(peers.size).toBe(2);
    expect(channel.calls).toBe(0);
  });

  it('carries large messages both ways, and a gather list as one message', async () => {
    const port = await peer((call, answer) => answer(null, call.request));
    const channel = channelTo(port);
    const body = Buffer.alloc(20_000_000, 'a pattern of thirty-one letters');
    expect((await channel.unary(echoService.unary, { body })).body.equals(body)).toBe(true);
    const parts = { ...echoService.unary, requestSerialize: (m: EchoMessage) => [Buffer.from('head'), m.body] };
    expect((await channel.unary(parts, { body })).body.byteLength).toBe(body.byteLength + 4);
  });

  it('refuses an answer above its bound', async () => {
    const port = await peer((_call, answer) => answer(null, { body: Buffer.alloc(2000) }));
    const fault = await faultOf(channelTo(port, { messageBytesMax: 1000 }).unary(echoService.unary, message('x')));
    expect(fault.code).toBe(grpcStatus.RESOURCE_EXHAUSTED);
  });

  it.each(Object.entries(grpcStatus).slice(1))('rejects with %s, its text and its metadata', async (name, code) => {
    const port = await peer((_call, answer) => {
      const metadata = new Metadata();
      metadata.set('hint', 'look');
      answer({ code: status[name as keyof typeof grpcStatus], details: 'schräg 100 %', metadata });
    });
    const fault = await faultOf(channelTo(port).unary(echoService.unary, message('x')));
    expect(fault).toMatchObject({ code, metadata: { hint: 'look' }, neverProcessed: false });
    expect(decodeURI(fault.details.replace('100 %', '100 %25'))).toBe('schräg 100 %');
  });

  it('sends metadata and deadline', async () => {
    const port = await peer((call, answer) => {
      const left = Number(call.getDeadline()) - Date.now();
      answer(null, message(`${String(call.metadata.get('request-id')[0])} ${left > 0 && left <= 60_000}`));
    });
    const options = { metadata: { 'request-id': 'r1' }, deadlineMs: Date.now() + 60_000 };
    expect((await channelTo(port).unary(echoService.unary, message(''), options)).body.toString()).toBe('r1 true');
  });

  it('gives up at the deadline and when aborted, and the server learns of it', async () => {
    let cancelled = 0;
    let started = 0;
    const port = await peer((call) => {
      started++;
      call.on('cancelled', () => cancelled++);
    });
    const channel = channelTo(port);
    const late = await faultOf(channel.unary(echoService.unary, message('x'), { deadlineMs: Date.now() + 40 }));
    expect(late.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    await until(() => cancelled === 1);
    const abort = new AbortController();
    const aborted = faultOf(channel.unary(echoService.unary, message('x'), { signal: abort.signal }));
    await until(() => started === 2);
    abort.abort();
    expect((await aborted).code).toBe(grpcStatus.CANCELLED);
    await until(() => cancelled === 2);
    expect(channel.calls).toBe(0);
  });

  it('bounds its calls', async () => {
    const port = await peer(() => undefined);
    const channel = channelTo(port, { callsMax: 1 });
    const first = faultOf(channel.unary(echoService.unary, message('x')));
    const second = await faultOf(channel.unary(echoService.unary, message('y')));
    expect(second).toMatchObject({ code: grpcStatus.RESOURCE_EXHAUSTED, neverProcessed: true });
    channel.close();
    expect((await first).code).toBe(grpcStatus.UNAVAILABLE);
  });

  it('maps an answer that is not gRPC to a status', async () => {
    const server = createHttp2Server((_request, response) => {
      response.statusCode = 503;
      response.end('down for a moment');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => void server.close());
    const fault = await faultOf(
      channelTo((server.address() as AddressInfo).port).unary(echoService.unary, message('x')),
    );
    expect(fault).toMatchObject({ code: grpcStatus.UNAVAILABLE, details: 'Received HTTP status code 503' });
  });
});

describe('streams to a grpc-js server', () => {
  it('writes under backpressure and iterates over the answers', async () => {
    const port = await peer(
      () => undefined,
      (call) => {
        call.on('data', (received: EchoMessage) => call.write(received));
        call.on('end', () => call.end());
      },
    );
    const stream = channelTo(port).bidi(echoService.both);
    const writing = (async (): Promise<void> => {
      for (let index = 0; index < 300; index++) {
        if (!stream.write({ body: Buffer.alloc(50_000, index) })) await stream.drained();
      }
      stream.end();
    })();
    let received = 0;
    for await (const { body } of stream) {
      expect(body[0]).toBe(received % 256);
      received++;
    }
    await writing;
    expect(received).toBe(300);
    expect((await stream.closed).code).toBe(grpcStatus.OK);
  });

  it('reports the status that ends the stream', async () => {
    const port = await peer(
      () => undefined,
      (call) => {
        call.write(message('first'));
        call.emit('error', { code: status.DATA_LOSS, details: 'gone' });
      },
    );
    const stream = channelTo(port).bidi(echoService.both);
    const texts: string[] = [];
    stream.onMessage = ({ body }) => texts.push(body.toString());
    expect(await stream.closed).toMatchObject({ code: grpcStatus.DATA_LOSS, details: 'gone' });
    expect(texts).toEqual(['first']);
    const again = channelTo(port).bidi(echoService.both);
    await expect(
      (async () => {
        for await (const item of again) expect(item.body.toString()).toBe('first');
      })(),
    ).rejects.toMatchObject({ code: grpcStatus.DATA_LOSS });
  });

  it('cancels', async () => {
    let cancelled = false;
    const port = await peer(
      () => undefined,
      (call) => {
        call.on('cancelled', () => (cancelled = true));
        call.write(message('first'));
      },
    );
    const stream = channelTo(port).bidi(echoService.both);
    for await (const { body } of stream) {
      expect(body.toString()).toBe('first');
      break;
    }
    expect((await stream.closed).code).toBe(grpcStatus.CANCELLED);
    await until(() => cancelled);
  });
});

describe('our client and our server', () => {
  it('hold back a sender whose messages nobody reads', async () => {
    const server = new GrpcServer({ streamWindowBytes: 100_000, connectionWindowBytes: 200_000 });
    stops.push(() => server.close(0));
    const reading = Promise.withResolvers<void>();
    let taken = 0;
    server.addBidi(echoService.both, async (stream) => {
      await reading.promise;
      for await (const { body } of stream) taken += body.byteLength;
      stream.write(message(String(taken)));
    });
    const stream = channelTo(await server.listen('127.0.0.1', 0)).bidi(echoService.both);
    let sent = 0;
    while (stream.write({ body: Buffer.alloc(50_000) })) sent += 50_000;
    expect(sent).toBeLessThan(5_000_000);
    reading.resolve();
    await stream.drained();
    stream.end();
    const answers: string[] = [];
    for await (const { body } of stream) answers.push(body.toString());
    expect(answers).toEqual([String(sent + 50_000)]);
  });

  it('end a stream with the fault that its handler throws', async () => {
    const server = new GrpcServer();
    stops.push(() => server.close(0));
    server.addBidi(echoService.both, () => {
      throw new GrpcError(grpcStatus.FAILED_PRECONDITION, 'not today');
    });
    const stream = channelTo(await server.listen('127.0.0.1', 0)).bidi(echoService.both);
    expect(await stream.closed).toMatchObject({ code: grpcStatus.FAILED_PRECONDITION, details: 'not today' });
  });

  it('end the calls of a server whose time to drain is over as unavailable, so that they are tried elsewhere', async () => {
    const server = new GrpcServer();
    server.addBidi(echoService.both, (stream) => void stream.write(message('begun')));
    const stream = channelTo(await server.listen('127.0.0.1', 0)).bidi(echoService.both);
    await new Promise<void>((resolve) => {
      stream.onMessage = () => resolve();
    });
    await server.close(0);
    expect(await stream.closed).toMatchObject({ code: grpcStatus.UNAVAILABLE, neverProcessed: false });
  });

  it('move to a new connection when the server wants it, without failing a call', async () => {
    const server = new GrpcServer({ maxConnectionAgeMs: 20 });
    stops.push(() => server.close(0));
    const peers = new Set<string>();
    server.addUnary(echoService.unary, (request, call) => {
      peers.add(call.peer);
      return request;
    });
    const channel = channelTo(await server.listen('127.0.0.1', 0));
    const worker = async (): Promise<void> => {
      while (peers.size < 5) await channel.unary(echoService.unary, message('on'));
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(peers.size).toBeGreaterThanOrEqual(5);
  });
});

describe('connecting', () => {
  it('fails calls at once while no server is there, and finds it when it comes', async () => {
    const port = await freePort();
    const channel = channelTo(port, { reconnectDelayMinMs: 5, reconnectDelayMaxMs: 20 });
    const fault = await faultOf(channel.unary(echoService.unary, message('x')));
    expect(fault).toMatchObject({ code: grpcStatus.UNAVAILABLE, neverProcessed: true });
    expect(fault.details).toContain('ECONNREFUSED');
    expect(channel.state).toBe('backoff');
    const stream = channel.bidi(echoService.both);
    expect((await stream.closed).code).toBe(grpcStatus.UNAVAILABLE);

    const waiting = channel.unary(echoService.unary, message('patient'), { waitForReady: true });
    const server = new GrpcServer();
    stops.push(() => server.close(0));
    server.addUnary(echoService.unary, (request) => request);
    await server.listen('127.0.0.1', port);
    expect((await waiting).body.toString()).toBe('patient');
    expect(channel.state).toBe('ready');
  });

  it('gives up waiting at the deadline', async () => {
    const channel = channelTo(await freePort(), { reconnectDelayMinMs: 5, reconnectDelayMaxMs: 10 });
    const fault = await faultOf(channel.ready(Date.now() + 50));
    expect(fault.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(fault.details).toContain('ECONNREFUSED');
  });

  it('fails the calls of a connection that breaks, and connects again', async () => {
    const server = new GrpcServer();
    let started = 0;
    server.addUnary(echoService.unary, () => {
      started++;
      return new Promise(() => undefined);
    });
    const port = await server.listen('127.0.0.1', 0);
    const channel = channelTo(port, { reconnectDelayMinMs: 1, reconnectDelayMaxMs: 5 });
    const broken = faultOf(channel.unary(echoService.unary, message('x')));
    await until(() => started === 1);
    await server.close(0);
    expect(await broken).toMatchObject({ code: grpcStatus.UNAVAILABLE, neverProcessed: false });
    const next = new GrpcServer();
    stops.push(() => next.close(0));
    next.addUnary(echoService.unary, (request) => request);
    await next.listen('127.0.0.1', port);
    const answer = await channel.unary(echoService.unary, message('again'), { waitForReady: true });
    expect(answer.body.toString()).toBe('again');
  });

  it('gives up on a peer that accepts and never speaks', async () => {
    const silent = createTcpServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    stops.push(() => void silent.close());
    const channel = channelTo((silent.address() as AddressInfo).port, { connectTimeoutMs: 50 });
    const fault = await faultOf(channel.unary(echoService.unary, message('x')));
    expect(fault).toMatchObject({ code: grpcStatus.UNAVAILABLE });
    expect(fault.details).toContain('within 50 ms');
  });

  it('is closed for good', async () => {
    const channel = channelTo(1);
    channel.close();
    const fault = await faultOf(channel.unary(echoService.unary, message('x')));
    expect(fault).toMatchObject({ code: grpcStatus.UNAVAILABLE, details: 'the channel is closed' });
  });
});
