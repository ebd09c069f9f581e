import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { credentials, Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, test } from 'vitest';
import type { ChannelTls, ClientAuthentication, HandshakeFault, ServerTls, ServerTlsSource } from '../security/tls.ts';
import { TestAuthority, type TestIdentity } from '../testing/certificates.ts';
import { GrpcChannel, type GrpcChannelOptions } from './client.ts';
import type { ClientMethod, ServerMethod } from './method.ts';
import type { ServerCall } from './server-call.ts';
import { GrpcServer, type GrpcServerOptions } from './server.ts';
import { GrpcError, grpcStatus } from './status.ts';
import { until } from '../testing/until.ts';
import { EchoClient, echoService } from './testing/echo.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('another authority');
const server = authority.issue('server');
const client = authority.issue('client');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What a listener shows, to be changed by the test. */
class ChangingTls implements ServerTlsSource {
  readonly clientAuthentication: ClientAuthentication;
  current: ServerTls;
  readonly #listeners = new Set<(tls: ServerTls) => void>();

  constructor(current: ServerTls, clientAuthentication: ClientAuthentication = 'none') {
    this.current = current;
    this.clientAuthentication = clientAuthentication;
  }

  onChange(listener: (tls: ServerTls) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(tls: ServerTls): void {
    this.current = tls;
    for (const listener of this.#listeners) listener(tls);
  }
}

/** Answers with the identity of the caller. */
const whoAmI: ServerMethod<Buffer, string> & ClientMethod<Buffer, string> = {
  path: '/test.Who/AmI',
  requestSerialize: (message) => message,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (text) => Buffer.from(text),
  responseDeserialize: (bytes) => bytes.toString(),
};

interface Served {
  readonly port: number;
  readonly server: GrpcServer;
  readonly faults: HandshakeFault[];
}

async function serve(tls: ServerTlsSource | undefined, options: GrpcServerOptions = {}): Promise<Served> {
  const faults: HandshakeFault[] = [];
  const server = new GrpcServer({ ...options, tls, onHandshakeFault: (fault) => faults.push(fault) });
  server.addUnary(echoService.unary, (request) => request);
  server.addUnary(whoAmI, (_, call) => call.identity ?? 'nobody');
  cleanups.push(() => server.close(0));
  return { port: await server.listen('127.0.0.1', 0), server, faults };
}

function channelTo(port: number, tls: GrpcChannelOptions['tls'], host = 'localhost'): GrpcChannel {
  const channel = new GrpcChannel(`${host}:${port}`, { tls });
  cleanups.push(() => channel.close());
  return channel;
}

function ask(channel: GrpcChannel): Promise<string> {
  return channel.unary(whoAmI, Buffer.alloc(0), { deadlineMs: Date.now() + 10_000 });
}

/** Why the call failed; everything here fails before it began. */
async function faultOf(port: number, tls: ChannelTls | undefined, host?: string): Promise<string> {
  try {
    await ask(channelTo(port, tls, host));
  } catch (error) {
    expect(error).toMatchObject({ code: grpcStatus.UNAVAILABLE, neverProcessed: true });
    return (error as GrpcError).details.replaceAll(String(port), 'PORT');
  }
  throw new Error('the call was answered');
}

const trusted: ChannelTls = { ca: authority.cert };
const expired = authority.issue('expired', { validForMs: -1_000 });

describe('a server that shows a certificate', () => {
  it.each(['localhost', '127.0.0.1'])('is believed under the name %s', async (host) => {
    const { port } = await serve(new ChangingTls(server));
    expect(await ask(channelTo(port, trusted, host))).toBe('nobody');
  });

  it('serves grpc-js clients as well', async () => {
    const { port } = await serve(new ChangingTls(server));
    const echo = new EchoClient(`localhost:${port}`, credentials.createSsl(Buffer.from(authority.cert)));
    cleanups.push(() => echo.close());
    const answer = await new Promise<string>((resolve, reject) => {
      echo.unary({ body: Buffer.from('hello') }, new Metadata(), {}, (error, got) => {
        if (error) reject(error);
        else resolve(got!.body.toString());
      });
    });
    expect(answer).toBe('hello');
  });

  it('carries megabytes in both directions', async () => {
    const { port } = await serve(new ChangingTls(server));
    const body = Buffer.alloc(20_000_000, 'a pattern of thirty-one letters');
    const answer = await channelTo(port, trusted).unary(echoService.unary, { body });
    expect(answer.body.equals(body)).toBe(true);
  });

  it.each<[string, TestIdentity, ChannelTls, string]>([
    ['of another authority', stranger.issue('server'), trusted, 'is signed by no authority that is trusted here'],
    ['unknown to the system', server, {}, 'is signed by no authority that is trusted here'],
    ['that has expired', expired, trusted, 'the certificate of localhost:PORT has expired'],
    [
      'for another name',
      authority.issue('server', { names: ['elsewhere.example'] }),
      trusted,
      'the certificate of localhost:PORT is for another name (Host: localhost. is not in',
    ],
  ])('%s is not believed, and the reason is told', async (_, shown, tls, fault) => {
    const { port } = await serve(new ChangingTls(shown));
    expect(await faultOf(port, tls)).toContain(fault);
  });

  it('is believed under the name that the client expects', async () => {
    const { port } = await serve(new ChangingTls(authority.issue('server', { names: ['elsewhere.example'] })));
    expect(await ask(channelTo(port, { ...trusted, serverName: 'elsewhere.example' }, '127.0.0.1'))).toBe('nobody');
  });

  it('speaks no TLS before 1.2', async () => {
    const { port, faults } = await serve(new ChangingTls(server));
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    const socket = connectTls({ port, host: '127.0.0.1', ca: authority.cert, ...old });
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/alert protocol version/);
    await until(() => faults.length > 0);
    expect(faults).toEqual(['handshake']);
  });
});

describe('TLS on one side only', () => {
  it('is told to a client in plain text', async () => {
    const { port } = await serve(new ChangingTls(server));
    expect(await faultOf(port, undefined)).toMatch(
      /^localhost:PORT ended the connection before HTTP\/2 began.*; if it speaks TLS, connect with TLS$/,
    );
  });

  it('is told to a client that speaks TLS', async () => {
    const { port } = await serve(undefined);
    expect(await faultOf(port, trusted)).toBe('localhost:PORT does not speak TLS; connect without it');
  });

  it('does not hide that nobody listens', async () => {
    const { port, server: gone } = await serve(undefined);
    await gone.close(0);
    expect(await faultOf(port, trusted, '127.0.0.1')).toBe('connect ECONNREFUSED 127.0.0.1:PORT');
    expect(await faultOf(port, undefined, '127.0.0.1')).toBe('connect ECONNREFUSED 127.0.0.1:PORT');
  });

  it('is not mixed up with TLS that does not agree on HTTP/2', async () => {
    const web = createTlsServer({ ...server, ALPNProtocols: ['http/1.1'] }, (socket) =>
      socket.on('error', () => undefined),
    );
    const silent = createTlsServer({ ...server }, (socket) => socket.on('error', () => undefined));
    for (const listener of [web, silent]) {
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
      cleanups.push(() => listener.close());
      const { port } = listener.address() as { port: number };
      expect(await faultOf(port, trusted)).toBe('localhost:PORT speaks TLS, but not HTTP/2 (ALPN h2)');
    }
  });

  it('fails the call where the client’s own certificate is unusable', async () => {
    const { port } = await serve(new ChangingTls(server));
    expect(await faultOf(port, { ...trusted, cert: 'no PEM', key: client.key })).toMatch(
      /^no TLS with localhost:PORT: /,
    );
  });
});

describe('certificates of clients', () => {
  const required = (): ChangingTls => new ChangingTls({ ...server, ca: authority.cert }, 'required');

  it('give calls an identity', async () => {
    for (const mode of ['required', 'optional'] as const) {
      const { port } = await serve(new ChangingTls({ ...server, ca: authority.cert }, mode));
      expect(await ask(channelTo(port, { ...trusted, ...client }))).toBe('CN=client');
    }
  });

  it('may be left out where they are optional', async () => {
    const { port, faults } = await serve(new ChangingTls({ ...server, ca: authority.cert }, 'optional'));
    expect(await ask(channelTo(port, trusted))).toBe('nobody');
    expect(faults).toEqual([]);
  });

  it('are not looked at where none is asked for', async () => {
    const { port } = await serve(new ChangingTls(server));
    expect(await ask(channelTo(port, { ...trusted, ...stranger.issue('client') }))).toBe('nobody');
  });

  it('that are missing are asked for, and counted', async () => {
    const { port, faults } = await serve(required());
    expect(await faultOf(port, trusted)).toBe('localhost:PORT asks for a client certificate');
    expect(faults).toEqual(['certificate']);
  });

  it.each([
    ['of another authority', stranger.issue('client')],
    ['that have expired', expired],
  ])('%s are refused, and counted', async (_, shown) => {
    const strict = await serve(required());
    expect(await faultOf(strict.port, { ...trusted, ...shown })).toBe(
      'localhost:PORT closed the connection; it may not accept this client’s certificate',
    );
    expect(strict.faults).toEqual(['certificate']);
    const lenient = await serve(new ChangingTls({ ...server, ca: authority.cert }, 'optional'));
    await expect(ask(channelTo(lenient.port, { ...trusted, ...shown }))).rejects.toMatchObject({
      code: grpcStatus.UNAUTHENTICATED,
      details: 'the client certificate is not accepted here',
    });
    expect(lenient.faults).toEqual(['certificate']);
  });

  it('are asked for again after the authority has changed: no session is resumed', async () => {
    const tls = required();
    const { port } = await serve(tls);
    const options = { port, host: 'localhost', ca: authority.cert, ALPNProtocols: ['h2'], ...client };
    const first = connectTls({ ...options, maxVersion: 'TLSv1.2' });
    await once(first, 'secureConnect');
    const session = first.getSession();
    const again = connectTls({ ...options, maxVersion: 'TLSv1.2', session });
    await once(again, 'secureConnect');
    expect(again.isSessionReused()).toBe(false);
    tls.change({ ...server, ca: stranger.cert });
    const refused: TLSSocket = connectTls({ ...options, maxVersion: 'TLSv1.2', session });
    await expect(once(refused, 'secureConnect')).rejects.toThrow();
    for (const socket of [first, again]) socket.destroy();
  });
});

test('a certificate is replaced under load without a failed call: new connections get the new one', async () => {
  const tls = new ChangingTls(server);
  const { port } = await serve(tls);
  // The client believes both authorities, as clients do while an authority is replaced.
  const both = { ca: authority.cert + stranger.cert };
  const old = channelTo(port, both);
  await ask(old);
  const ending = new AbortController();
  let calls = 0;
  const load = Array.from({ length: 8 }, async () => {
    while (!ending.signal.aborted) {
      await ask(old);
      calls++;
      const fresh = channelTo(port, both);
      await ask(fresh);
      fresh.close();
    }
  });
  for (const next of [stranger.issue('second'), authority.issue('third'), stranger.issue('fourth')]) {
    const before = calls;
    tls.change(next);
    await until(() => calls > before + 16);
  }
  ending.abort();
  await Promise.all(load);
  expect(await ask(channelTo(port, { ca: stranger.cert }))).toBe('nobody');
  expect(await faultOf(port, trusted)).toContain('no authority that is trusted');
});

test('a client shows at a new connection what its source says by then', async () => {
  const { port } = await serve(new ChangingTls({ ...server, ca: authority.cert }, 'required'));
  let shown = client;
  const channel = channelTo(port, () => ({ ...trusted, ...shown }));
  expect(await ask(channel)).toBe('CN=client');
  shown = authority.issue('renewed client');
  expect(await ask(channel)).toBe('CN=client');
  expect(await ask(channelTo(port, () => ({ ...trusted, ...shown })))).toBe('CN=renewed client');
});

test('a handshake that never goes on keeps no server from closing', async () => {
  const { port, server: listener } = await serve(new ChangingTls(server));
  const idle = connectTcp(port, '127.0.0.1');
  await once(idle, 'connect');
  idle.on('error', () => undefined);
  const closed = once(idle, 'close');
  await ask(channelTo(port, trusted));
  await listener.close(0);
  await closed;
});

test('an attempt on a port that accepts and says nothing ends in time', async () => {
  const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  cleanups.push(() => silent.close());
  const { port } = silent.address() as { port: number };
  const channel = new GrpcChannel(`localhost:${port}`, { tls: trusted, connectTimeoutMs: 50 });
  cleanups.push(() => channel.close());
  await expect(ask(channel)).rejects.toThrow(`no connection to localhost:${port} within 50 ms`);
});

describe('calls that are looked at before they are served', () => {
  const authorize = (call: ServerCall): string => {
    if (call.headers.authorization === 'Bearer good') return 'token';
    throw new GrpcError(grpcStatus.UNAUTHENTICATED, 'no');
  };

  it('are served with their identity, or refused', async () => {
    const { port } = await serve(undefined, { authorize });
    const good = new GrpcChannel(`127.0.0.1:${port}`, { metadata: () => ({ authorization: 'Bearer good' }) });
    const bad = new GrpcChannel(`127.0.0.1:${port}`);
    cleanups.push(
      () => good.close(),
      () => bad.close(),
    );
    expect(await ask(good)).toBe('token');
    await expect(ask(bad)).rejects.toMatchObject({ code: grpcStatus.UNAUTHENTICATED, details: 'no' });
    const unknown = { ...whoAmI, path: '/test.Who/Knows' };
    await expect(bad.unary(unknown, Buffer.alloc(0))).rejects.toMatchObject({ code: grpcStatus.UNAUTHENTICATED });
    await expect(good.unary(unknown, Buffer.alloc(0))).rejects.toMatchObject({ code: grpcStatus.UNIMPLEMENTED });
  });

  it('hold no memory for the body of one that is refused', async () => {
    let most = 0;
    const { port, server: listener } = await serve(undefined, {
      authorize: (call) => {
        setImmediate(() => (most = Math.max(most, listener.statistics.bytesInFlight)));
        return authorize(call);
      },
    });
    const channel = new GrpcChannel(`127.0.0.1:${port}`);
    cleanups.push(() => channel.close());
    const body = Buffer.alloc(50_000_000);
    await expect(channel.unary(echoService.unary, { body })).rejects.toMatchObject({
      code: grpcStatus.UNAUTHENTICATED,
    });
    expect([most, listener.statistics.bytesInFlight]).toEqual([0, 0]);
  });
});
