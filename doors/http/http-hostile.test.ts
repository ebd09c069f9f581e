/** What arrives that is no request, half of one, or too much: the right error, bounded memory, and others unharmed. */
import { connect, type Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { TestApi } from './testing/api.ts';

const apis: TestApi[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const api of apis.splice(0)) await api.close();
});

async function open(...options: Parameters<typeof TestApi.open>): Promise<TestApi> {
  const api = await TestApi.open(...options);
  apis.push(api);
  return api;
}

function dial(api: TestApi): Socket {
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  return socket.on('error', () => undefined);
}

/** Everything that is answered until the door, or `end`, closes the connection. */
function answerTo(api: TestApi, bytes: string | Buffer, end = true): Promise<string> {
  const socket = dial(api);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  if (end) socket.end(bytes);
  else socket.write(bytes);
  return new Promise((resolve) => socket.once('close', () => resolve(answer)));
}

async function isUnharmed(api: TestApi): Promise<void> {
  expect((await fetch(`${api.url}/health`)).status).toBe(200);
  await expect.poll(() => api.door.bytesInFlight).toBe(0);
}

const body = '{"key":"k","value":"x"}';
const whole = `POST /api/v1/set HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

test('a request that is cut at any byte does nothing', async () => {
  const api = await open();
  const cuts = Array.from({ length: whole.length }, (_, length) => whole.slice(0, length));
  const answers = await Promise.all(cuts.map((cut) => answerTo(api, cut)));
  expect(answers.filter((answer) => answer.includes(' 200 '))).toEqual([]);
  expect(api.cache.seen).toEqual([]);
  expect(await answerTo(api, whole)).toContain(' 200 ');
  await isUnharmed(api);
});

test('random bytes are refused, before and behind a request line', async () => {
  const api = await open();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), async (bytes, isBehind) => {
      const head = isBehind ? 'POST /api/v1/mset HTTP/1.1\r\nhost: x\r\nconnection: close\r\n' : '';
      const answer = await answerTo(api, Buffer.concat([Buffer.from(head), bytes]));
      expect(answer).not.toMatch(/^HTTP\/1\.1 [25]\d\d/);
    }),
    { numRuns: 200 },
  );
  await isUnharmed(api);
});

test('any JSON is a request or a fault, and never more than that', async () => {
  const api = await open();
  const path = fc.constantFrom('set', 'mset', 'mget', 'mdelete', 'config', 'blocks/lookup');
  await fc.assert(
    fc.asyncProperty(path, fc.jsonValue(), async (name, value) => {
      const { status } = await api.ask('POST', `/api/v1/${name}`, JSON.stringify(value));
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 200 },
  );
  await isUnharmed(api);
});

test('lengths that are claimed are not believed', async () => {
  const api = await open();
  const post = (headers: string): string => `POST /api/v1/set HTTP/1.1\r\nhost: x\r\n${headers}\r\n\r\n`;
  expect(await answerTo(api, post('content-length: 9223372036854775808'))).toMatch(/^HTTP\/1\.1 413/);
  expect(await answerTo(api, post('content-length: 99999999999999999999999'))).toMatch(/^HTTP\/1\.1 4/);
  expect(await answerTo(api, post('content-length: -1'))).toMatch(/^HTTP\/1\.1 400/);
  expect(await answerTo(api, post('content-length: 5\r\ntransfer-encoding: chunked'))).toMatch(/^HTTP\/1\.1 400/);
  expect(await answerTo(api, `${post('transfer-encoding: chunked')}ffffffffffffffff\r\n`)).not.toContain(' 200 ');
  await isUnharmed(api);
});

test('a nesting bomb is refused before it is parsed', async () => {
  const api = await open();
  for (const bomb of ['['.repeat(1_000_000), '{"a":'.repeat(500_000), `${'['.repeat(33)}${']'.repeat(33)}`]) {
    const { status, body: fault } = await api.ask('POST', '/api/v1/config', bomb);
    expect([status, fault]).toEqual([
      400,
      { error: 'invalid request: arrays and objects of the body are more than 32 deep' },
    ]);
  }
  // Brackets in texts are none, escaped quotes do not end one.
  const { status } = await api.ask('POST', '/api/v1/set', { key: '"[['.repeat(40), value: '\\"{{{'.repeat(40) });
  expect(status).toBe(200);
});

test('idle connections take no one’s place beyond their number', async () => {
  const api = await open({}, { connectionsMax: 200 });
  const idle = Array.from({ length: 199 }, () => dial(api));
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  expect((await fetch(`${api.url}/health`, { headers: { connection: 'close' } })).status).toBe(200);
});

test('a reader that does not read is dropped, and its bytes with it', async () => {
  const api = await open({}, { stallMaxMs: 300 });
  await api.ask('PUT', '/api/v1/values/large', Buffer.alloc(40_000_000));
  const socket = dial(api).pause();
  socket.write('GET /api/v1/values/large HTTP/1.1\r\nhost: x\r\n\r\n');
  await expect.poll(() => api.door.bytesInFlight).toBe(40_000_000);
  await expect.poll(() => api.door.bytesInFlight, { timeout: 10_000 }).toBe(0);
  await isUnharmed(api);
});

test('beyond the bytes in flight others are told to try again, but for health', async () => {
  const api = await open({}, { inFlightBytesMax: 1_000_000 });
  await api.ask('PUT', '/api/v1/values/large', Buffer.alloc(900_000));
  const socket = dial(api).pause();
  for (let asked = 0; asked < 12; asked++) socket.write('GET /api/v1/values/large HTTP/1.1\r\nhost: x\r\n\r\n');
  await expect.poll(async () => (await api.ask('GET', '/api/v1/get/k')).status).toBe(503);
  expect((await fetch(`${api.url}/health`)).status).toBe(200);
  socket.destroy();
  await expect.poll(async () => (await api.ask('GET', '/api/v1/get/k')).status).toBe(404);
});
