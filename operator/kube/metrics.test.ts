import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { EventRecorder } from './event-recorder.ts';
import { Informer } from './informer.ts';
import { LeaderElection } from './lease.ts';
import { observeKube, operatorDoor, workDurations } from './metrics.ts';
import { configMaps } from './resources.ts';
import { FaultServer, storedConfigMap } from './testing/fault-server.ts';
import { WorkQueue } from './work-queue.ts';

const log = pino({ level: 'silent' });

test('the door tells the figures of every part, whether the process lives, and why it is not ready', async () => {
  const server = await FaultServer.start((request) => {
    if (request.isWatch) request.open();
    else request.list([storedConfigMap('a', '1')], '5');
  });
  const client = server.client;
  const registry = new Registry();
  const durations = workDurations(registry);
  const queue = new WorkQueue({
    name: 'kvcaches',
    workers: 1,
    log,
    work: async () => undefined,
    onWorked: durations('kvcaches'),
  });
  const informer = new Informer({ client, resource: configMaps, log });
  const events = new EventRecorder({ client, controller: 'c', instance: 'i', log });
  const onLost = (): void => undefined;
  const election = new LeaderElection({ client, namespace: 'n', name: 'l', identity: 'i', log, onLost });
  observeKube(registry, { client, election, events, queues: [queue], informers: [informer] });

  let isHealthy = true;
  const reasons: string[] = ['the cache of configmaps is not filled yet'];
  const door = operatorDoor({
    host: '127.0.0.1',
    port: 0,
    registry,
    isHealthy: () => isHealthy,
    unreadyReasons: () => reasons,
    log,
  });
  const { port } = await door.listen();
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  expect((await get('/healthz')).status).toBe(200);
  const unready = await get('/readyz');
  expect(unready.status).toBe(503);
  expect(await unready.json()).toMatchObject({ reasons });

  informer.start();
  await informer.whenSynced();
  queue.start();
  queue.add('here/a');
  await expect.poll(() => queue.statistics.done).toBe(1);
  reasons.length = 0;
  isHealthy = false;
  expect((await get('/readyz')).status).toBe(200);
  expect((await get('/healthz')).status).toBe(503);
  const lines = (await (await get('/metrics')).text()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'kvcache_operator_api_requests_total{method="GET",outcome="200"} 1',
      'kvcache_operator_cache_objects{resource="configmaps"} 1',
      'kvcache_operator_cache_synced{resource="configmaps"} 1',
      'kvcache_operator_queue_adds_total{queue="kvcaches"} 1',
      'kvcache_operator_reconcile_seconds_count{queue="kvcaches",outcome="done"} 1',
      'kvcache_operator_leader 0',
      'kvcache_operator_events_total{outcome="written"} 0',
    ]),
  );
  await queue.stop();
  await informer.stop();
  await events.stop();
  await door.close(0);
  client.close();
  await server.close();
});
