import { pino } from 'pino';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { configMaps, nodes, secrets } from './resources.ts';
import { ApiServer } from './testing/api-server.ts';
import { Changes } from './testing/changes.ts';
import { bookmark, type FaultRequest, FaultServer, storedConfigMap } from './testing/fault-server.ts';
import { Network } from './testing/network.ts';

const log = pino({ level: 'silent' });
const quick = { retryDelayMinMs: 1, retryDelayMaxMs: 20 };
const server = await ApiServer.start();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

afterAll(() => server?.stop());

type Shape = NonNullable<(typeof configMaps)['shape']>;

function follow(client: KubeClient, options: Partial<InformerOptions<Shape>> = {}): [Informer<Shape>, Changes<Shape>] {
  const informer = new Informer({ client, resource: configMaps, log, ...quick, ...options });
  closers.push(
    () => client.close(),
    () => informer.stop(),
  );
  const changes = new Changes(informer);
  informer.start();
  return [informer, changes];
}

describe.skipIf(!server)('against a real kube-apiserver', () => {
  async function start(): Promise<{ client: KubeClient; namespace: string; network: Network }> {
    const client = await server!.client();
    const namespace = await server!.createNamespace(client);
    const network = await Network.to(server!.port);
    closers.push(
      () => client.close(),
      () => network.close(),
    );
    return { client, namespace, network };
  }

  test('the store is a true picture when it has synced, and every change is told', async () => {
    const { client, namespace } = await start();
    await client.create(configMaps, { metadata: { name: 'a', namespace } });
    const [informer, changes] = follow(await server!.client(), { namespaces: [namespace] });
    expect(informer.hasSynced).toBe(false);
    expect(await informer.whenSynced()).toBe(true);
    expect(await changes.next()).toBe('added a');
    await client.create(configMaps, { metadata: { name: 'b', namespace } });
    expect(await changes.next()).toBe('added b');
    await client.patch(configMaps, { name: 'a', namespace }, { data: { x: '1' } });
    expect(await changes.next()).toBe('updated a');
    expect(informer.store.get({ name: 'a', namespace })?.data).toEqual({ x: '1' });
    expect(informer.store.get({ name: 'a', namespace })?.metadata).not.toHaveProperty('managedFields');
    await client.delete(configMaps, { name: 'a', namespace });
    expect(await changes.next()).toBe('deleted a');
    expect([...informer.store.keys()]).toEqual([`${namespace}/b`]);
  });

  test('only the namespaces and labels asked for are followed, and kinds without a namespace as well', async () => {
    const { client, namespace } = await start();
    const other = await server!.createNamespace(client);
    const third = await server!.createNamespace(client);
    const [informer, changes] = follow(await server!.client(), {
      namespaces: [namespace, other],
      labelSelector: 'app=kvcache',
    });
    await informer.whenSynced();
    const labels = { app: 'kvcache' };
    await client.create(configMaps, { metadata: { name: 'elsewhere', namespace: third, labels } });
    await client.create(configMaps, { metadata: { name: 'unlabelled', namespace } });
    await client.create(configMaps, { metadata: { name: 'one', namespace, labels } });
    await client.create(configMaps, { metadata: { name: 'two', namespace: other, labels } });
    expect(await changes.take(2)).toEqual(['added one', 'added two']);
    // An object that no longer has the label has left the picture.
    await client.patch(configMaps, { name: 'one', namespace }, { metadata: { labels: { app: null } } });
    expect(await changes.next()).toBe('deleted one');

    const cluster = new Informer({ client, resource: nodes, log, namespaces: [namespace] });
    closers.push(() => cluster.stop());
    cluster.start();
    expect(await cluster.whenSynced()).toBe(true);
  });

  test('an index finds objects by what it was told to look at, also after a change', async () => {
    const { client, namespace } = await start();
    const [informer, changes] = follow(await server!.client(), {
      namespaces: [namespace],
      indexBy: ({ metadata }) => [metadata.labels?.['cache'] ?? 'none'],
    });
    await client.create(configMaps, { metadata: { name: 'a', namespace, labels: { cache: 'x' } } });
    await client.create(configMaps, { metadata: { name: 'b', namespace, labels: { cache: 'x' } } });
    await changes.take(2);
    const names = (value: string): string[] => informer.store.indexed(value).map(({ metadata }) => metadata.name);
    expect(names('x').sort()).toEqual(['a', 'b']);
    await client.patch(configMaps, { name: 'b', namespace }, { metadata: { labels: { cache: 'y' } } });
    await changes.next();
    expect([names('x'), names('y')]).toEqual([['a'], ['b']]);
    await client.delete(configMaps, { name: 'a', namespace });
    await changes.next();
    expect(names('x')).toEqual([]);
  });

  test('of secrets followed by their metadata alone, no content is in memory', async () => {
    const { client, namespace } = await start();
    const metadata = { name: 'token', namespace };
    await client.create(secrets, { metadata, stringData: { password: 'hunter2' } });
    const informer = new Informer({ client, resource: secrets, log, namespaces: [namespace], isMetadataOnly: true });
    closers.push(() => informer.stop());
    const changes = new Changes(informer);
    informer.start();
    expect(await changes.next()).toBe('added token');
    await client.patch(secrets, metadata, { stringData: { password: 'hunter3' } });
    expect(await changes.next()).toBe('updated token');
    expect([...informer.store.all()].map((secret) => Object.keys(secret).sort())).toEqual([
      ['apiVersion', 'kind', 'metadata'],
    ]);
    expect(informer.store.get(metadata)?.kind).toBe('Secret');
  });

  test('a server that restarts costs no change, and one listing more only where it has lost the version', async () => {
    const { client, namespace } = await start();
    const [informer, changes] = follow(await server!.client(), { namespaces: [namespace] });
    await informer.whenSynced();
    await server!.stopServer();
    await server!.startServer();
    await client.create(configMaps, { metadata: { name: 'after', namespace } });
    expect(await changes.next()).toBe('added after');
    // What the server itself wrote meanwhile may have made our version too old for it.
    expect(informer.statistics.lists).toBeLessThanOrEqual(2);
  });

  test('a deletion that happened while nobody could watch is noticed when history is gone', async () => {
    const { client, namespace, network } = await start();
    for (const name of ['kept', 'deleted', 'replaced']) {
      await client.create(configMaps, { metadata: { name, namespace } });
    }
    const [informer, changes] = follow(await server!.client(network.port), { namespaces: [namespace] });
    await changes.take(3);
    network.mode = 'reset';
    await client.delete(configMaps, { name: 'deleted', namespace });
    await client.delete(configMaps, { name: 'replaced', namespace });
    await client.create(configMaps, { metadata: { name: 'replaced', namespace } });
    await server!.stopServer();
    await server!.compact();
    await server!.startServer();
    network.mode = 'pass';
    expect(await changes.take(3)).toEqual(['added replaced', 'deleted deleted', 'deleted replaced']);
    expect(informer.statistics.lists).toBe(2);
    expect([...informer.store.keys()].sort()).toEqual([`${namespace}/kept`, `${namespace}/replaced`]);
  });

  test('a network that swallows everything is noticed by the silence, and what was missed is told', async () => {
    const { client, namespace, network } = await start();
    const followed = await server!.client(network.port);
    const [informer, changes] = follow(followed, { namespaces: [namespace], silenceMaxMs: 300 });
    await informer.whenSynced();
    network.mode = 'swallow';
    await client.create(configMaps, { metadata: { name: 'missed', namespace } });
    await expect.poll(() => informer.statistics.failures, { timeout: 10_000 }).toBeGreaterThan(0);
    network.mode = 'pass';
    expect(await changes.next()).toBe('added missed');
    // The watch, and at most one idle connection of requests.
    expect(followed.connectionStatistics.sockets).toBeLessThanOrEqual(2);
  });

  test('a frozen server looks the same and ends the same', async () => {
    closers.push(() => server!.thaw());
    const { client, namespace } = await start();
    const [informer, changes] = follow(await server!.client(), { namespaces: [namespace], silenceMaxMs: 300 });
    await informer.whenSynced();
    server!.freeze();
    await expect.poll(() => informer.statistics.failures, { timeout: 10_000 }).toBeGreaterThan(0);
    server!.thaw();
    await client.create(configMaps, { metadata: { name: 'later', namespace } });
    expect(await changes.next()).toBe('added later');
  });

  test('after stop nothing is told and no connection of a watch is left', async () => {
    const { client, namespace } = await start();
    const followed = await server!.client();
    const [informer, changes] = follow(followed, { namespaces: [namespace] });
    await informer.whenSynced();
    await informer.stop();
    await client.create(configMaps, { metadata: { name: 'late', namespace } });
    await client.list(configMaps, { namespace });
    expect(changes.seen).toEqual([]);
    await expect.poll(() => followed.connectionStatistics.sockets).toBeLessThanOrEqual(1);
  });
});

describe('against a server with faults', () => {
  async function faulty(serve: (request: FaultRequest, count: number) => void): Promise<FaultServer> {
    const started = await FaultServer.start(serve);
    closers.push(() => started.close());
    return started;
  }

  test('a watch goes on from the last bookmark when the server ends it', async () => {
    let watches = 0;
    const started = await faulty((request) => {
      if (!request.isWatch) request.list([], '10');
      else if ((watches += 1) === 1) request.open().send(bookmark('25')).end();
      else request.open().send({ type: 'ADDED', object: storedConfigMap('x', '30') });
    });
    const [informer, changes] = follow(started.client);
    expect(await changes.next()).toBe('added x');
    const versions = started.requests.filter(({ isWatch }) => isWatch).map(({ query }) => query.get('resourceVersion'));
    expect(versions).toEqual(['10', '25']);
    expect(started.requests[1]!.query.get('allowWatchBookmarks')).toBe('true');
    expect(informer.statistics).toMatchObject({ bookmarks: 1, lists: 1, watches: 2 });
  });

  test.each([
    ['as its status', (request: FaultRequest) => request.refuse(410, 'Expired')],
    [
      'as an event',
      (request: FaultRequest) =>
        request
          .open()
          .send({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'old' } }),
    ],
  ])('a watch that is told %s that its version is gone lists again and tells what has vanished', async (_, say) => {
    let lists = 0;
    const started = await faulty((request) => {
      if (request.isWatch) {
        if (lists === 1) say(request);
        else request.open();
      } else if ((lists += 1) === 1) request.list([storedConfigMap('a', '1'), storedConfigMap('b', '2')], '10');
      else request.list([storedConfigMap('a', '1')], '20');
    });
    const [informer, changes] = follow(started.client);
    expect(await changes.take(2)).toEqual(['added a', 'added b']);
    expect(await changes.next()).toBe('deleted b');
    expect(informer.statistics.failures).toBe(0);
  });

  test.each([
    [
      'a line in several pieces',
      true,
      (request: FaultRequest, line: string) => request.send(line.slice(0, 20), line.slice(20)),
    ],
    [
      'half a line and an orderly end',
      false,
      (request: FaultRequest, line: string) => request.send(line.slice(0, 20)).end(),
    ],
    [
      'half a line and a reset',
      false,
      (request: FaultRequest, line: string) => request.send(line.slice(0, 20)).reset(),
    ],
    ['something that is no JSON', false, (request: FaultRequest) => request.send('<html>\n').end()],
    [
      'an event of an unknown type',
      false,
      (request: FaultRequest) => request.send({ type: 'MOVED', object: {} }).end(),
    ],
    ['an event without an object', false, (request: FaultRequest) => request.send({ type: 'ADDED' }).end()],
    [
      'a status of another code',
      false,
      (request: FaultRequest) => request.send({ type: 'ERROR', object: { code: 500 } }).end(),
    ],
  ])('%s neither ends the watch for good nor loses a change', async (_, isHarmless, misbehave) => {
    const line = `${JSON.stringify({ type: 'ADDED', object: storedConfigMap('x', '30') })}\n`;
    let watches = 0;
    const started = await faulty((request) => {
      if (!request.isWatch) request.list([], '10');
      else if ((watches += 1) === 1) misbehave(request.open(), line);
      else request.open().send(line);
    });
    const [informer, changes] = follow(started.client);
    expect(await changes.next()).toBe('added x');
    expect(informer.statistics.failures).toBe(isHarmless ? 0 : 1);
  });

  test('a server that is behind the version we know, as after a restored backup, is listed again', async () => {
    let lists = 0;
    const started = await faulty((request) => {
      if (!request.isWatch) {
        lists += 1;
        request.list(
          lists === 1 ? [storedConfigMap('lost', '90')] : [storedConfigMap('kept', '5')],
          lists === 1 ? '99' : '7',
        );
      } else if (request.query.get('resourceVersion') === '99') request.refuse(504, 'Timeout');
      else request.open();
    });
    const [, changes] = follow(started.client);
    expect(await changes.next()).toBe('added lost');
    expect(await changes.next()).toBe('deleted lost');
    expect(await changes.next()).toBe('added kept');
  });

  test('a listing that fails is tried again until it succeeds', async () => {
    const started = await faulty((request, count) => {
      if (request.isWatch) request.open();
      else if (count <= 3) request.refuse(403, 'Forbidden');
      else request.list([storedConfigMap('a', '1')], '5');
    });
    const [informer, changes] = follow(started.client);
    expect(await changes.next()).toBe('added a');
    expect(informer.statistics.failures).toBe(3);
  });

  test('a server that ends every watch at once is not asked without pause', async () => {
    const started = await faulty((request) => {
      if (request.isWatch) request.open().end();
      else request.list([], '5');
    });
    const [informer] = follow(started.client, { retryDelayMinMs: 50, retryDelayMaxMs: 60_000 });
    await expect.poll(() => informer.statistics.watches, { timeout: 5_000 }).toBe(4);
    expect(informer.statistics.lists).toBe(1);
  });

  test('a handler that throws, now or later, is counted, and others are told all the same', async () => {
    const started = await faulty((request) => {
      if (request.isWatch) request.open();
      else request.list([storedConfigMap('a', '1')], '5');
    });
    const client = started.client;
    const informer = new Informer({ client, resource: configMaps, log });
    closers.push(
      () => client.close(),
      () => informer.stop(),
    );
    informer.subscribe(() => {
      throw new Error('now');
    });
    // eslint-disable-next-line typescript/no-misused-promises -- what somebody will do by mistake
    informer.subscribe(() => Promise.reject(new Error('later')));
    const changes = new Changes(informer);
    informer.start();
    expect(await changes.next()).toBe('added a');
    await expect.poll(() => informer.statistics.handlerFaults).toBe(2);
  });

  test('a resync tells every object again', async () => {
    const started = await faulty((request) => {
      if (request.isWatch) request.open();
      else request.list([storedConfigMap('a', '1')], '5');
    });
    const [, changes] = follow(started.client, { resyncIntervalMs: 20 });
    expect(await changes.next()).toBe('added a');
    expect(await changes.next()).toBe('resync a');
  });

  test('stopping ends a watch whose answer has not come yet', async () => {
    const asked = Promise.withResolvers<void>();
    const started = await faulty((request) => {
      if (request.isWatch) asked.resolve();
      else request.list([], '5');
    });
    const [informer] = follow(started.client);
    await asked.promise;
    await informer.stop();
    const early = new Informer({ client: started.client, resource: configMaps, log });
    await early.stop();
    expect(await early.whenSynced()).toBe(false);
    expect(() => early.start()).toThrow('does not start again');
  });
});
