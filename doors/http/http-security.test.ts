import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { Authenticator, headerOfCredential, refusalText } from '../../security/authenticator.ts';
import { Refusals } from '../../security/figures.ts';
import { fixedSecret } from '../../security/secrets.ts';
import type { ClientAuthentication, ServerTls, ServerTlsSource } from '../../security/tls.ts';
import { TestAuthority, type TestIdentity } from '../../testing/certificates.ts';
import { HttpDoor, type HttpDoorOptions } from './http-door.ts';

const authority = new TestAuthority();
const identity = authority.issue('server');
const client = authority.issue('client');
const stranger = new TestAuthority().issue('client');

const doors: HttpDoor[] = [];
afterEach(async () => {
  for (const door of doors.splice(0)) await door.close(0);
});

interface Opened {
  readonly port: number;
  readonly door: HttpDoor;
  readonly refusals: Refusals;
}

async function open(options: Partial<HttpDoorOptions>): Promise<Opened> {
  const refusals = new Refusals();
  const door = new HttpDoor({
    host: '127.0.0.1',
    port: 0,
    registry: new Registry(),
    isHealthy: () => true,
    unreadyReasons: () => [],
    refusals,
    ...options,
  });
  doors.push(door);
  const { port } = await door.listen();
  return { port, door, refusals };
}

function tlsOf(mode: ClientAuthentication = 'none'): ServerTlsSource & { change(tls: ServerTls): void } {
  let current: ServerTls = { ...identity, ca: authority.cert };
  const listeners = new Set<(tls: ServerTls) => void>();
  return {
    clientAuthentication: mode,
    get current() {
      return current;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    change: (tls) => {
      current = tls;
      for (const listener of listeners) listener(tls);
    },
  };
}

/** Status, headers and body of a GET over TLS. */
async function get(
  port: number,
  path: string,
  options: { ca?: string; shown?: TestIdentity; authorization?: string } = {},
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const { ca = authority.cert, shown, authorization } = options;
  const headers = authorization === undefined ? {} : { authorization };
  const asked = request({ port, host: 'localhost', path, ca, ...shown, headers, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

const nobody = new Authenticator();
const asking = new Authenticator({ token: fixedSecret('good'), password: fixedSecret('sesame') });
const credentials = [headerOfCredential('token', 'good'), headerOfCredential('password', 'sesame')];
const openPaths = ['/health', '/api/v1/health', '/ready'];

describe('an HTTP door with a certificate', () => {
  it('speaks https, and nothing in plain text', async () => {
    const { port, refusals } = await open({ security: { tls: tlsOf(), authenticator: nobody } });
    expect(await get(port, '/health')).toMatchObject({ status: 200 });
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow('fetch failed');
    expect(refusals.samples()).toEqual([[1, 'http', 'handshake']]);
  });

  it('takes another one while it listens', async () => {
    const tls = tlsOf();
    const { port } = await open({ security: { tls, authenticator: nobody } });
    const next = new TestAuthority('next');
    tls.change(next.issue('server'));
    await expect(get(port, '/health')).rejects.toThrow('unable to verify');
    expect(await get(port, '/health', { ca: next.cert })).toMatchObject({ status: 200 });
  });

  it('is not kept from closing by a handshake that never goes on', async () => {
    const { port, door } = await open({ security: { tls: tlsOf(), authenticator: nobody } });
    const idle = connect(port, '127.0.0.1');
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    const closed = once(idle, 'close');
    await get(port, '/health');
    await door.close(0);
    await closed;
  });

  it('asks for a client certificate where one is required, and not for health', async () => {
    const { port, refusals } = await open({ security: { tls: tlsOf('required'), authenticator: nobody } });
    for (const shown of [undefined, stranger]) {
      const options = shown === undefined ? {} : { shown };
      for (const path of openPaths) expect((await get(port, path, options)).status).toBe(200);
      for (const path of ['/metrics', '/nothing']) {
        expect(await get(port, path, options)).toMatchObject({
          status: 403,
          headers: { connection: 'close' },
          body: '{"error":"this needs a client certificate that is accepted here"}\n',
        });
      }
    }
    expect((await get(port, '/metrics', { shown: client })).status).toBe(200);
    expect(refusals.samples()).toEqual([[4, 'http', 'certificate']]);
  });

  it('takes no certificate for one that is not good where they are optional', async () => {
    const { port } = await open({ security: { tls: tlsOf('optional'), authenticator: nobody } });
    expect((await get(port, '/metrics')).status).toBe(200);
    expect((await get(port, '/metrics', { shown: client })).status).toBe(200);
    expect((await get(port, '/metrics', { shown: stranger })).status).toBe(403);
  });

  it('wants both where certificate and credentials are asked for', async () => {
    const { port } = await open({ security: { tls: tlsOf('required'), authenticator: asking } });
    const authorization = credentials[0]!;
    expect((await get(port, '/metrics', { authorization })).status).toBe(403);
    expect((await get(port, '/metrics', { shown: client })).status).toBe(401);
    expect((await get(port, '/metrics', { shown: client, authorization })).status).toBe(200);
  });
});

describe('an HTTP door that asks for credentials', () => {
  it('answers 401 with a challenge, the same whatever was wrong', async () => {
    const { port, refusals } = await open({ security: { authenticator: asking } });
    const url = `http://127.0.0.1:${port}`;
    for (const path of ['/metrics', '/nothing']) {
      for (const authorization of [undefined, 'Bearer bad', 'Basic bad', headerOfCredential('password', 'good')]) {
        const response = await fetch(url + path, { headers: authorization === undefined ? {} : { authorization } });
        expect([response.status, response.headers.get('www-authenticate'), await response.json()]).toEqual([
          401,
          'Bearer realm="kvcache", Basic realm="kvcache", charset="UTF-8"',
          { error: refusalText },
        ]);
      }
      for (const authorization of credentials) {
        expect((await fetch(url + path, { headers: { authorization } })).status).not.toBe(401);
      }
    }
    expect(refusals.samples()).toEqual([
      [2, 'http', 'missing'],
      [4, 'http', 'wrong'],
      [2, 'http', 'malformed'],
    ]);
  });

  it('answers health and readiness to everybody, and metrics where that is set', async () => {
    const { port } = await open({ security: { authenticator: asking }, isMetricsOpen: true });
    for (const path of [...openPaths, '/metrics']) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
    }
  });

  it('reads no body of a request that it refuses', async () => {
    const { port } = await open({ security: { authenticator: asking } });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const closed = once(socket, 'close');
    // The body never comes; the answer does, and the connection ends with it.
    socket.write('POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n');
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
  });
});
