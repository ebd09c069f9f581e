import { pino } from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import { eventBurstMax } from '../../limits.ts';
import { EventRecorder, type EventToRecord } from './event-recorder.ts';
import { configMaps, events } from './resources.ts';
import { ApiServer } from './testing/api-server.ts';
import { FaultServer } from './testing/fault-server.ts';

const log = pino({ level: 'silent' });
const server = await ApiServer.start();

afterAll(() => server?.stop());

const identity = { controller: 'kvcache.dev/operator', instance: 'operator-0', log };

function about(name: string, note: string, more: Partial<EventToRecord> = {}): EventToRecord {
  const regarding = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'here', uid: `uid-${name}` } };
  return { regarding, type: 'Warning', reason: 'ShardLost', action: 'Reconcile', note, ...more };
}

describe.skipIf(!server)('against a real kube-apiserver', () => {
  test('an event that repeats is one object with a count, and a new note is a new one', async () => {
    const client = await server!.client();
    const namespace = await server!.createNamespace(client);
    const regarding = await client.create(configMaps, { metadata: { name: 'demo', namespace } });
    const recorder = new EventRecorder({ client, ...identity });
    const event = about('demo', 'shard demo-shard-0 is gone', { regarding, related: regarding });
    recorder.record(event);
    await expect.poll(() => recorder.statistics.written).toBe(1);
    for (let i = 0; i < 9; i += 1) recorder.record(event);
    recorder.record({ ...event, note: `shard demo-shard-1 is gone; ${'ü'.repeat(2_000)}`, type: 'Normal' });
    await recorder.stop();
    const { items } = await client.list(events, { namespace });
    expect(items).toHaveLength(2);
    const [first, second] = items.sort((a, b) => (b.series?.count ?? 0) - (a.series?.count ?? 0));
    expect(first).toMatchObject({
      type: 'Warning',
      reason: 'ShardLost',
      action: 'Reconcile',
      note: 'shard demo-shard-0 is gone',
      reportingController: 'kvcache.dev/operator',
      reportingInstance: 'operator-0',
      series: { count: 10 },
      regarding: { kind: 'ConfigMap', name: 'demo', namespace, uid: regarding.metadata.uid },
      related: { uid: regarding.metadata.uid },
    });
    expect(Buffer.byteLength(second!.note!)).toBeLessThanOrEqual(1_024);
    expect(second!.note).toMatch(/ü…$/);
    expect(recorder.statistics).toMatchObject({ recorded: 11, written: 3, failed: 0, dropped: 0 });
    client.close();
  });

  test('a series whose event the server has forgotten begins again', async () => {
    const client = await server!.client();
    const namespace = await server!.createNamespace(client);
    const regarding = await client.create(configMaps, { metadata: { name: 'demo', namespace } });
    const recorder = new EventRecorder({ client, ...identity, seriesWriteIntervalMs: 20 });
    recorder.record(about('demo', 'again', { regarding }));
    await expect.poll(() => recorder.statistics.written).toBe(1);
    const { items } = await client.list(events, { namespace });
    await client.delete(events, { namespace, name: items[0]!.metadata.name });
    recorder.record(about('demo', 'again', { regarding }));
    await expect.poll(() => recorder.statistics.written).toBe(2);
    const { items: after } = await client.list(events, { namespace });
    expect(after.map(({ series }) => series?.count)).toEqual([2]);
    await recorder.stop();
    client.close();
  });
});

test('an object that says too much is cut short, and others are heard', async () => {
  const faulty = await FaultServer.start((request) => request.answer(201, {}));
  const client = faulty.client;
  const recorder = new EventRecorder({ client, ...identity });
  for (let i = 0; i < 100; i += 1) recorder.record(about('noisy', `note ${i}`));
  recorder.record(about('quiet', 'one word'));
  await recorder.stop();
  expect(recorder.statistics).toMatchObject({
    recorded: 101,
    written: eventBurstMax + 1,
    dropped: 100 - eventBurstMax,
  });
  client.close();
  await faulty.close();
});

test('a series whose namespace is gone is not offered again', async () => {
  const faulty = await FaultServer.start((request, count) => {
    if (count === 1) request.answer(201, {});
    else request.refuse(404, 'NotFound');
  });
  const client = faulty.client;
  const recorder = new EventRecorder({ client, ...identity, seriesWriteIntervalMs: 10 });
  recorder.record(about('one', 'a'));
  await expect.poll(() => recorder.statistics.written).toBe(1);
  recorder.record(about('one', 'a'));
  await expect.poll(() => recorder.statistics.failed).toBe(1);
  // Turns of the timer go by, and nothing more is asked.
  await expect.poll(() => performance.now(), { timeout: 5_000 }).toBeGreaterThan(performance.now() + 100);
  await recorder.stop();
  expect(faulty.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
  client.close();
  await faulty.close();
});

test('a server that refuses or does not answer costs events and nothing else', async () => {
  const faulty = await FaultServer.start((request, count) => {
    if (count === 1) request.refuse(403, 'Forbidden');
    // The others are never answered.
  });
  const client = faulty.client;
  const recorder = new EventRecorder({ client, ...identity });
  recorder.record(about('one', 'a'));
  await expect.poll(() => recorder.statistics.failed).toBe(1);
  for (const note of ['b', 'c', 'd']) recorder.record(about('one', note));
  await recorder.stop(100);
  expect(recorder.statistics).toMatchObject({ recorded: 4, written: 0, failed: 2, dropped: 2 });
  recorder.record(about('one', 'e'));
  expect(recorder.statistics.recorded).toBe(4);
  client.close();
  await faulty.close();
});
