import { expect, test } from 'vitest';
import { KubeClient } from './client.ts';
import { type Credentials, fixedCredentials } from './credentials.ts';
import { configMaps } from './resources.ts';
import { FaultServer, storedConfigMap } from './testing/fault-server.ts';
import { Network } from './testing/network.ts';

const key = { namespace: 'here', name: 'one' };
const one = storedConfigMap('one', '1');

async function withServer(
  serve: Parameters<typeof FaultServer.start>[0],
  body: (server: FaultServer, client: KubeClient) => Promise<void>,
): Promise<void> {
  const server = await FaultServer.start(serve);
  const client = server.client;
  try {
    await body(server, client);
  } finally {
    client.close();
    await server.close();
  }
}

test('a busy server is asked again after the time that it names', () =>
  withServer(
    (request, count) => {
      if (count < 3) request.refuse(429, 'TooManyRequests', {}, { 'retry-after': '0' });
      else request.answer(200, one);
    },
    async (server, client) => {
      expect(await client.get(configMaps, key)).toEqual(one);
      expect(server.requests).toHaveLength(3);
      expect(client.requestStatistics.retries).toBe(2);
      expect(Object.fromEntries(client.requestStatistics.attempts)).toEqual({ 'GET 429': 2, 'GET 200': 1 });
    },
  ));

test('a server that asks for more time than the caller has gives its answer at once', () =>
  withServer(
    (request) => request.refuse(429, 'TooManyRequests', {}, { 'retry-after': '3600' }),
    async (server, client) => {
      await expect(client.get(configMaps, key)).rejects.toMatchObject({ status: 429, retryAfterMs: 3_600_000 });
      expect(server.requests).toHaveLength(1);
    },
  ));

test('5xx, pages of proxies and broken connections are tried again, for writes as well', () =>
  withServer(
    (request, count) => {
      if (count === 1) request.answer(503, '<html>no backend</html>');
      else if (count === 2) request.refuse(500, 'InternalError');
      else if (count === 3) request.reset();
      else request.answer(200, one);
    },
    async (server, client) => {
      await client.apply(configMaps, { metadata: key }, { known: null });
      expect(server.requests.map(({ method }) => method)).toEqual(['PATCH', 'PATCH', 'PATCH', 'PATCH']);
      expect(server.requests[3]!.headers['content-type']).toBe('application/apply-patch+yaml');
      expect(Object.fromEntries(server.requests[3]!.query)).toMatchObject({
        fieldManager: 'kvcache-operator',
        force: 'true',
      });
    },
  ));

test('what the server has judged is not asked again', () =>
  withServer(
    (request) => request.refuse(403, 'Forbidden'),
    async (server, client) => {
      await expect(client.get(configMaps, key)).rejects.toThrow(
        'GET /api/v1/namespaces/here/configmaps/one: 403 Forbidden: Forbidden for a test',
      );
      expect(server.requests).toHaveLength(1);
    },
  ));

test('a creation under a generated name is not repeated, one under a name of its own is', () =>
  withServer(
    (request, count) => {
      if (count <= 2) request.reset();
      else request.answer(201, one);
    },
    async (server, client) => {
      const generated = { metadata: { namespace: 'here', generateName: 'one-' } };
      await expect(client.create(configMaps, generated)).rejects.toMatchObject({ reason: 'Connection' });
      expect(server.requests).toHaveLength(1);
      await client.create(configMaps, { metadata: key });
      expect(server.requests).toHaveLength(3);
    },
  ));

test('a token that was refused is read again, once', async () => {
  const tokens = ['old', 'new'];
  const server = await FaultServer.start((request) => {
    if (request.headers.authorization === 'Bearer new') request.answer(200, one);
    else request.refuse(401, 'Unauthorized');
  });
  const base = fixedCredentials(`http://127.0.0.1:${server.port}`);
  const credentials: Credentials = {
    ...base,
    access: async () => ({ ...(await base.access()), headers: { authorization: `Bearer ${tokens[0]}` } }),
    refuse: () => void tokens.shift(),
  };
  const client = new KubeClient({ credentials });
  expect(await client.get(configMaps, key)).toEqual(one);
  tokens.unshift('worse', 'bad');
  await expect(client.get(configMaps, key)).rejects.toMatchObject({ status: 401, reason: 'Unauthorized' });
  client.close();
  await server.close();
});

test('an answer that is no JSON is named as such', () =>
  withServer(
    (request) => request.answer(200, 'hello'),
    async (_server, client) => {
      await expect(client.get(configMaps, key)).rejects.toMatchObject({ reason: 'MalformedAnswer' });
    },
  ));

test('a request ends when its caller is no longer interested', () =>
  withServer(
    () => controller.abort(),
    async (server, client) => {
      await expect(client.get(configMaps, key, { signal: controller.signal })).rejects.toMatchObject({
        reason: 'Cancelled',
      });
      await expect(client.get(configMaps, key, { signal: controller.signal })).rejects.toMatchObject({
        reason: 'Cancelled',
      });
      expect(server.requests).toHaveLength(1);
    },
  ));
const controller = new AbortController();

test('a network that swallows everything costs an attempt its time, and no old connection is used afterwards', async () => {
  const server = await FaultServer.start((request) => request.answer(200, one));
  const network = await Network.to(server.port);
  const client = new KubeClient({ credentials: fixedCredentials(`http://127.0.0.1:${network.port}`) });
  await Promise.all([client.get(configMaps, key), client.get(configMaps, key), client.get(configMaps, key)]);
  expect(network.accepted).toBe(3);
  network.mode = 'swallow';
  const options = { timeoutMs: 300, attemptTimeoutMs: 100 };
  await expect(client.get(configMaps, key, options)).rejects.toMatchObject({
    reason: 'RequestTimeout',
    code: 'TIMEOUT',
  });
  network.mode = 'pass';
  // Of the first three connections two were idle and lead nowhere; one attempt is enough all the same.
  expect(await client.get(configMaps, key, { attemptsMax: 1 })).toEqual(one);
  expect(client.connectionStatistics.sockets).toBe(1);
  client.close();
  await network.close();
  await server.close();
});

test('a fence is asked before every attempt of a write, bounds its time, and lets reads pass', () => {
  let remainingMs = 5_400;
  return withServer(
    (request, count) => {
      if (count > 1) remainingMs = 0;
      if (request.method === 'GET') request.answer(200, one);
      else request.refuse(503, 'ServiceUnavailable');
    },
    async (server, client) => {
      const fenced = client.fencedBy({ remainingMs: () => remainingMs });
      await expect(fenced.patch(configMaps, key, {})).rejects.toMatchObject({ reason: 'NotLeader', code: 'FENCED' });
      expect(server.requests).toHaveLength(2);
      expect(server.requests[0]!.query.get('timeout')).toBe('5s');
      await expect(fenced.delete(configMaps, key)).rejects.toMatchObject({ reason: 'NotLeader' });
      expect(server.requests).toHaveLength(2);
      expect(fenced.requestStatistics.fenced).toBe(2);
      expect(await fenced.get(configMaps, key)).toEqual(one);
    },
  );
});

test('a fence that falls while the connection is being made keeps the write from leaving', async () => {
  const server = await FaultServer.start((request) => request.answer(200, one));
  const client = server.client;
  let asked = 0;
  // Held when the attempt begins, no longer when the connection stands.
  const fenced = client.fencedBy({ remainingMs: () => (asked++ === 0 ? 10_000 : 0) });
  await expect(fenced.patch(configMaps, key, {})).rejects.toMatchObject({ reason: 'NotLeader' });
  expect(asked).toBe(2);
  expect(server.requests).toHaveLength(0);
  client.close();
  await server.close();
});
