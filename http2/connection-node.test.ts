/** Our HTTP/2 against Node's, which is nghttp2: our server with its client, and our client with its server. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
  type SessionOptions,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../testing/until.ts';
import { errorCode } from './protocol.ts';
import type { Http2Stream } from './stream.ts';
import {
  type Connection,
  echo,
  exchange,
  MiB,
  openClient,
  postFields,
  relayAll,
  request,
  type Serve,
  TestServer,
  writeAll,
} from './testing/endpoints.ts';

/** None, aligned, as much as there may be: constants that the types leave out. */
const paddings = [constants.PADDING_STRATEGY_NONE, 1, constants.PADDING_STRATEGY_MAX];
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Large enough for many windows of every kind, and each byte at its place. */
const large = randomBytes(2 * MiB + 123);

const relay: Serve = ({ stream, received }) => relayAll(stream, received);

describe('our server and the client of Node', () => {
  let server: TestServer;
  const sessions: ClientHttp2Session[] = [];

  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy();
    await server.close();
    expect(server.account.bytes).toBe(0);
  });

  async function start(serve: Serve, options: Parameters<typeof TestServer.listen>[1] = {}): Promise<void> {
    server = await TestServer.listen(serve, options);
  }

  function session(options: SessionOptions = {}): ClientHttp2Session {
    const client = connect(`http://127.0.0.1:${server.port}`, options);
    client.on('error', () => undefined);
    sessions.push(client);
    return client;
  }

  function post(
    client: ClientHttp2Session,
    headers: OutgoingHttpHeaders = {},
    options: ClientSessionRequestOptions = {},
  ): ClientHttp2Stream {
    const stream = client.request({ ':method': 'POST', ':path': '/echo', ...headers }, options);
    stream.on('error', () => undefined);
    return stream;
  }

  async function answerOf(
    stream: ClientHttp2Stream,
  ): Promise<{ body: Buffer; trailers: IncomingHttpHeaders; code: number | undefined }> {
    const chunks: Buffer[] = [];
    let trailers: IncomingHttpHeaders = {};
    stream.on('trailers', (fields) => (trailers = fields));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    if (!stream.destroyed) await new Promise((resolve) => stream.once('close', resolve));
    return { body: Buffer.concat(chunks), trailers, code: stream.rstCode };
  }

  it.each(paddings)('pass large bodies both ways at once, padded in way %s', async (paddingStrategy) => {
    await start(relay, { streamWindowBytes: 100_000, connectionWindowBytes: 150_000 });
    const client = session({ paddingStrategy });
    const streams = [1, 2, 3].map(() => post(client));
    const answers = streams.map(answerOf);
    for (const stream of streams) stream.end(large);
    for (const { body, trailers, code } of await Promise.all(answers)) {
      expect(code).toBe(errorCode.noError);
      expect(digest(body)).toBe(digest(large));
      expect(trailers).toMatchObject({ 'x-end': 'yes' });
    }
  });

  it('serve more calls than may be open at once', async () => {
    await start(echo, { streamsMax: 7 });
    const client = session();
    // Before it has heard how many, a client may be refused.
    await once(client, 'remoteSettings');
    const answers = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const stream = post(client);
        stream.end(`call ${index}`);
        return (await answerOf(stream)).body.toString();
      }),
    );
    expect(answers).toEqual(Array.from({ length: 500 }, (_, index) => `call ${index}`));
  });

  it('hold a sender back while its stream is paused, and others not', async () => {
    await start(echo, { streamWindowBytes: 50_000 });
    const client = session();
    const first = post(client);
    const answer = answerOf(first);
    first.write('x');
    await until(() => server.streams.length === 1);
    const { stream, received } = server.streams[0]!;
    stream.pause();
    first.end(large);
    const second = post(client);
    second.end('others');
    expect((await answerOf(second)).body.toString()).toBe('others');
    expect(received.body.byteLength).toBeLessThanOrEqual(1);
    stream.resume();
    expect(digest((await answer).body)).toBe(digest(Buffer.concat([Buffer.from('x'), large])));
  });

  it('take trailers of requests, and fields that are long and many', async () => {
    await start(echo);
    const client = session();
    const fields = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`x-${index}`, 'é'.repeat(200 + index)]),
    );
    const stream = post(
      client,
      { ...fields, 'x-long': 'z'.repeat(30_000) },
      {
        waitForTrailers: true,
      },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
    stream.end('body');
    expect((await answerOf(stream)).body.toString()).toBe('body');
    expect(server.streams[0]!.fields['x-long']).toHaveLength(30_000);
    expect(server.streams[0]!.fields['x-59']).toBe('é'.repeat(259));
  });

  it('refuse fields that are too large without harm to other calls', async () => {
    await start(echo);
    const client = session({ maxSendHeaderBlockLength: 1_000_000 });
    const good = post(client);
    const bad = post(client, Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`x-${index}`, 'y'])));
    bad.end('x');
    expect((await answerOf(bad)).code).toBe(errorCode.enhanceYourCalm);
    good.end('fine');
    expect((await answerOf(good)).body.toString()).toBe('fine');
  });

  it.each<readonly [string, (stream: ClientHttp2Stream) => void]>([
    ['before it has sent anything', () => undefined],
    ['within its body', (stream) => stream.write(large)],
    ['when it has sent everything', (stream) => stream.end(Buffer.alloc(1_000))],
  ])('hear of a client that resets a stream %s', async (_when, act) => {
    await start(() => undefined, { streamWindowBytes: 70_000 });
    const client = session();
    const stream = post(client);
    act(stream);
    await until(() => server.streams.length === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    expect(await server.streams[0]!.received.closed).toEqual({ code: errorCode.cancel, isLost: false });
    const next = post(client);
    next.end('x');
    await until(() => server.streams.length === 2);
    await until(() => server.streams[1]!.received.hasEnded);
    expect(server.connections).toHaveLength(1);
  });

  it.each<readonly [string, (stream: Http2Stream) => void, readonly string[]]>([
    ['before the headers', () => undefined, []],
    ['behind the headers', (stream) => stream.sendHeaders({ ':status': '200' }), []],
    [
      'within the body',
      (stream) => {
        stream.sendHeaders({ ':status': '200' });
        stream.write([large]);
      },
      [],
    ],
  ])('tell a client of a reset %s', async (_when, act) => {
    await start(({ stream, fields }) => {
      if (fields[':path'] === '/echo') act(stream);
      else stream.sendHeaders({ ':status': '204' }, true);
      if (fields[':path'] === '/echo') setImmediate(() => stream.reset(errorCode.internalError));
    });
    const client = session();
    const stream = post(client);
    stream.write('half of it');
    expect((await answerOf(stream)).code).toBe(errorCode.internalError);
    const next = post(client, { ':path': '/other' });
    next.end();
    expect((await answerOf(next)).code).toBe(errorCode.noError);
  });

  it('stop a client that still sends when the answer is complete, and drop what it sent', async () => {
    await start(({ stream }) => {
      stream.sendHeaders({ ':status': '200' });
      stream.write([Buffer.from('enough')]);
      stream.end();
      stream.stop();
    });
    const client = session();
    for (let call = 0; call < 20; call++) {
      const stream = post(client);
      stream.write(large);
      const { body, code } = await answerOf(stream);
      expect([body.toString(), code]).toEqual(['enough', errorCode.noError]);
    }
  });

  it('follow settings that change while bodies are on their way', async () => {
    await start(relay);
    const client = session({ settings: { initialWindowSize: 60_000 } });
    const streams = [1, 2, 3].map(() => post(client));
    const answers = streams.map(answerOf);
    for (const stream of streams) stream.end(large);
    const windows = [1, 65_535, 0, 1_000_000, 16_384, 300_000];
    for (const initialWindowSize of windows) {
      client.settings({
        initialWindowSize,
        headerTableSize: initialWindowSize % 2 === 0 ? 0 : 4_096,
        maxFrameSize: 16_384,
      });
      await nextTurn();
      const small = post(client, { 'x-window': String(initialWindowSize) });
      small.end();
      void answerOf(small);
    }
    for (const { body } of await Promise.all(answers)) expect(digest(body)).toBe(digest(large));
  });

  it('answer pings', async () => {
    await start(echo);
    const client = session();
    await once(client, 'connect');
    const payload = Buffer.from('12345678');
    const answer = await new Promise<Buffer>((resolve, reject) => {
      client.ping(payload, (error, _duration, echoed) => (error ? reject(error) : resolve(echoed)));
    });
    expect(answer).toEqual(payload);
  });

  it('move a client on without losing a call of it, nor answering one twice', async () => {
    await start(echo);
    let client = session();
    /** As clients do: a stream that was refused goes to another connection. */
    const call = async (index: number): Promise<void> => {
      if (client.closed || client.destroyed) client = session();
      const stream = post(client);
      stream.end(`${index}`);
      const { body, code } = await answerOf(stream);
      if (code === errorCode.refusedStream) return call(index);
      expect(body.toString()).toBe(`${index}`);
    };
    const calls: Promise<void>[] = [];
    for (let index = 0; index < 300; index++) {
      calls.push(call(index));
      if (index % 100 === 50) for (const { http2 } of server.connections) http2.drain();
      if (index % 10 === 0) await nextTurn();
    }
    await Promise.all(calls);
    expect(server.connections.length).toBeGreaterThan(1);
    expect(server.streams).toHaveLength(300);
    await Promise.all(server.connections.slice(0, -1).map(({ closed }) => closed));
  });
});

describe('our client and the server of Node', () => {
  let server: Http2Server | undefined;
  const served: ServerHttp2Session[] = [];
  const clients: Connection[] = [];

  afterEach(async () => {
    for (const { http2 } of clients.splice(0)) http2.destroy();
    for (const session of served.splice(0)) session.destroy();
    await new Promise((resolve) => server?.close(resolve));
  });

  async function client(
    onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
    options: ServerOptions = {},
    own: Parameters<typeof openClient>[1] = {},
  ): Promise<Connection> {
    server = createServer(options);
    server.on('session', (session) => served.push(session));
    server.on('sessionError', () => undefined);
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      onStream(stream as ServerHttp2Stream, headers);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return another(own);
  }

  async function another(own: Parameters<typeof openClient>[1] = {}): Promise<Connection> {
    const connection = await openClient((server!.address() as AddressInfo).port, own);
    clients.push(connection);
    return connection;
  }

  function echoed(stream: ServerHttp2Stream): void {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
    stream.pipe(stream);
  }

  it.each(paddings)('pass large bodies both ways at once, padded in way %s', async (paddingStrategy) => {
    const connection = await client(
      echoed,
      { paddingStrategy },
      { streamWindowBytes: 90_000, connectionWindowBytes: 100_000 },
    );
    const calls = [1, 2, 3].map(() => request(connection));
    for (const { stream, received } of calls) {
      void writeAll(stream, received, [large.subarray(0, MiB), large.subarray(MiB)]).then(() => stream.end());
    }
    for (const { received } of calls) {
      expect(await received.closed).toEqual({ code: errorCode.noError, isLost: false });
      expect(digest(received.body)).toBe(digest(large));
      expect(received.trailers).toEqual({ 'x-end': 'yes' });
    }
  });

  it('open no more streams at once than the server takes', async () => {
    let open = 0;
    let openMost = 0;
    const connection = await client(
      (stream) => {
        openMost = Math.max(openMost, ++open);
        stream.on('close', () => open--);
        echoed(stream);
      },
      { settings: { maxConcurrentStreams: 5 } },
    );
    await until(() => connection.http2.isReady);
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, index) => exchange(connection, Buffer.from(`call ${index}`))),
    );
    expect(answers.map(({ received }) => received.body.toString())).toEqual(answers.map((_, index) => `call ${index}`));
    expect(openMost).toBe(5);
  });

  it('hold the server back while a stream is paused', async () => {
    const connection = await client(
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end(large);
      },
      {},
      { streamWindowBytes: 70_000 },
    );
    const { stream, received } = request(connection);
    stream.end();
    let chunks = 0;
    received.onChunk = (): void => {
      stream.pause();
      if (chunks++ % 2 === 0) stream.resume();
      else setImmediate(() => stream.resume());
    };
    expect(await received.closed).toEqual({ code: errorCode.noError, isLost: false });
    expect(digest(received.body)).toBe(digest(large));
  });

  it('follow settings that change while bodies are on their way', async () => {
    const connection = await client(echoed, { settings: { initialWindowSize: 70_000 } });
    const calls = [1, 2].map(() => request(connection));
    for (const { stream } of calls) stream.write([large], true);
    for (const initialWindowSize of [1, 0, 200_000, 10, 65_535]) {
      served[0]!.settings({ initialWindowSize, headerTableSize: initialWindowSize === 10 ? 4_096 : 0 });
      await nextTurn();
      expect(
        (await Promise.race([exchange(connection, Buffer.alloc(0)), nextTurn(undefined)])) ?? 'waits',
      ).toBeTruthy();
    }
    for (const { received } of calls) {
      await received.closed;
      expect(digest(received.body)).toBe(digest(large));
    }
  });

  it.each<readonly [string, (stream: ServerHttp2Stream) => void, readonly []]>([
    ['before the headers', () => undefined, []],
    ['behind the headers', (stream) => stream.respond({ ':status': 200 }), []],
    [
      'within the body',
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.write(large);
      },
      [],
    ],
  ])('hear of a server that resets a stream %s', async (_when, act) => {
    const connection = await client((stream, headers) => {
      if (headers[':path'] === '/fine') {
        echoed(stream);
        return;
      }
      act(stream);
      setImmediate(() => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    });
    const { stream, received } = request(connection);
    stream.write([large]);
    expect(await received.closed).toEqual({ code: errorCode.refusedStream, isLost: false });
    const next = request(connection, { ...postFields, ':path': '/fine' });
    next.stream.write([Buffer.from('fine')], true);
    await next.received.closed;
    expect(next.received.body.toString()).toBe('fine');
  });

  it('reset a stream of their own in every state', async () => {
    const connection = await client(echoed);
    for (const state of [0, 1, 2, 3]) {
      const { stream, received } = request(connection);
      if (state === 1) stream.write([large]);
      if (state === 2) stream.write([large], true);
      if (state === 3) {
        stream.write([Buffer.from('x')]);
        await until(() => received.chunks.length > 0);
      }
      stream.reset(errorCode.cancel);
      expect(await received.closed).toEqual({ code: errorCode.cancel, isLost: false });
    }
    expect((await exchange(connection, large)).received.body.equals(large)).toBe(true);
  });

  it('go on with what was begun when the server goes away, and learn what was not', async () => {
    const connection = await client(echoed);
    const first = request(connection);
    first.stream.write([Buffer.from('be')]);
    await until(() => first.received.chunks.length > 0);
    served[0]!.goaway(constants.NGHTTP2_NO_ERROR, 1);
    await until(() => connection.goAways > 0);
    expect(connection.http2.isUsable).toBe(false);
    first.stream.write([Buffer.from('gun')], true);
    expect(await first.received.closed).toEqual({ code: errorCode.noError, isLost: false });
    expect(first.received.body.toString()).toBe('begun');
    await connection.closed;
  });

  it('are told of pings that are answered', async () => {
    const connection = await client(echoed);
    await new Promise<void>((resolve) => connection.http2.ping(resolve));
    await new Promise<void>((resolve) => connection.http2.ping(resolve));
  });
});
