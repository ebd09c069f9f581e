import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { azuriteConnectionString } from '../../azurite/azurite.ts';
import { startTestAzurite } from '../../testing/azurite.ts';
import type { TestAzurite } from '../../testing/azurite.ts';
import { FaultProxy } from '../../testing/fault-proxy.ts';
import { openBlobAccount } from './blob-account.ts';
import { BlobStore } from './blob-store.ts';
import type { ResilienceOptions } from './blob-resilience.ts';
import { impatient } from './fixtures.ts';

let azurite: TestAzurite;
let proxy: FaultProxy;
let container: string;
let store: BlobStore;

beforeAll(async () => {
  azurite = await startTestAzurite();
  proxy = await FaultProxy.start(azurite.azurite.port);
});
afterAll(async () => {
  await proxy.close();
  await azurite.remove();
});
beforeEach(async () => {
  container = azurite.newContainerName();
  store = open();
  await store.createContainer();
});
afterEach(() => {
  proxy.removeRules();
});

function open(options: ResilienceOptions = {}): BlobStore {
  const connectionString = azuriteConnectionString(proxy.port);
  return new BlobStore(openBlobAccount({ connectionString, container, prefix: 'p' }), { ...impatient, ...options });
}

const body = Buffer.from('0123456789');

describe('the store answers with', () => {
  test('the range, in memory of its own', async () => {
    await store.putDocument('blob', body, undefined);
    const outcome = await store.readRange('blob', 3, 4);
    expect(outcome).toEqual({ kind: 'done', value: Buffer.from('3456') });
    if (outcome.kind === 'done') expect(outcome.value.buffer.byteLength).toBe(4);
  });

  test('notFound for a blob, containerMissing for a container', async () => {
    expect(await store.readRange('none', 0, 1)).toMatchObject({ kind: 'notFound' });
    expect(await store.properties('none')).toMatchObject({ kind: 'notFound' });
    expect(await store.delete('none', undefined)).toMatchObject({ kind: 'notFound' });
    expect(store.health).toBe('available');
    container = 'never-made';
    const homeless = open();
    expect(await homeless.properties('none')).toMatchObject({ kind: 'containerMissing' });
    expect(await homeless.readRange('none', 0, 1)).toMatchObject({ kind: 'containerMissing' });
    expect(await homeless.list('')).toMatchObject({ kind: 'containerMissing' });
    expect(await homeless.stageBlock('none', 'AAAA', body)).toMatchObject({ kind: 'containerMissing' });
    expect(homeless.health).toBe('containerMissing');
  });

  test('invalidRange for a blob that ends too soon', async () => {
    await store.putDocument('blob', body, undefined);
    expect(await store.readRange('blob', 8, 4)).toMatchObject({ kind: 'invalidRange' });
    expect(await store.readRange('blob', 100, 4)).toMatchObject({ kind: 'invalidRange' });
  });

  test('preconditionFailed for every write under a stale ETag or over an existing blob', async () => {
    const put = await store.putDocument('blob', body, { absent: true });
    if (put.kind !== 'done') throw new Error(put.message);
    const stale = { ifMatch: put.value };
    expect(await store.putDocument('blob', body, { absent: true })).toMatchObject({ kind: 'preconditionFailed' });
    expect(await store.setMetadata('blob', { a: 'b' }, stale)).toMatchObject({ kind: 'done' });
    expect(await store.setMetadata('blob', { a: 'c' }, stale)).toMatchObject({ kind: 'preconditionFailed' });
    expect(await store.putDocument('blob', body, stale)).toMatchObject({ kind: 'preconditionFailed' });
    expect(await store.delete('blob', stale)).toMatchObject({ kind: 'preconditionFailed' });
    await store.stageBlock('blob', 'AAAA', body);
    expect(await store.commitBlockList('blob', ['AAAA'], {}, stale)).toMatchObject({ kind: 'preconditionFailed' });
    expect(await store.commitBlockList('blob', ['AAAA'], {}, { absent: true })).toMatchObject({
      kind: 'preconditionFailed',
    });
    expect(await store.putDocument('none', body, stale)).toMatchObject({ kind: 'preconditionFailed' });
  });

  test('invalidBlockList for a block that nobody staged', async () => {
    expect(await store.commitBlockList('blob', ['AAAA'], {}, undefined)).toMatchObject({ kind: 'invalidBlockList' });
  });

  test('the same ETag from a write, from properties, from the block list and from a listing', async () => {
    await store.stageBlock('folder/blob', 'AAAA', body);
    const committed = await store.commitBlockList('folder/blob', ['AAAA'], { a: 'b' }, { absent: true });
    if (committed.kind !== 'done') throw new Error(committed.message);
    const etag = committed.value;
    expect(etag).not.toContain('"');
    expect(await store.properties('folder/blob')).toEqual({
      kind: 'done',
      value: { etag, bytes: 10, metadata: { a: 'b' } },
    });
    expect(await store.blockList('folder/blob')).toEqual({
      kind: 'done',
      value: { etag, blocks: [{ id: 'AAAA', bytes: 10 }] },
    });
    expect(await store.list('folder/')).toEqual({ kind: 'done', value: [{ name: 'folder/blob', etag, bytes: 10 }] });
  });
});

describe('the store tries again', () => {
  test.each([
    ['408', { kind: 'status', status: 408 }],
    ['429', { kind: 'status', status: 429 }],
    ['500', { kind: 'status', status: 500 }],
    ['503', { kind: 'status', status: 503 }],
    ['a cut connection', { kind: 'cut' }],
    ['no answer', { kind: 'hang' }],
  ] as const)('after %s, and counts the attempts', async (_what, fault) => {
    const impatientStore = open({ attemptTimeoutMs: 200 });
    proxy.addRule({ operations: ['putBlob'], times: 2, fault });
    expect(await impatientStore.putDocument('blob', body, undefined)).toMatchObject({ kind: 'done' });
    expect(impatientStore.counts.putDocument).toEqual({ calls: 1, attempts: 3, failures: 0, bytes: 10 });
  });

  test('a bounded number of times, then says unavailable', async () => {
    proxy.addRule({ operations: ['putBlob'], fault: { kind: 'status', status: 500 } });
    expect(await store.putDocument('blob', body, undefined)).toMatchObject({ kind: 'unavailable' });
    expect(store.counts.putDocument).toMatchObject({ calls: 1, attempts: 3, failures: 1 });
    expect(store.health).toBe('unavailable');
  });

  test('never after an answer that repeating does not change', async () => {
    proxy.addRule({ operations: ['putBlob'], fault: { kind: 'status', status: 403 } });
    expect(await store.putDocument('blob', body, undefined)).toMatchObject({ kind: 'forbidden' });
    expect(store.counts.putDocument.attempts).toBe(1);
  });

  test('no sooner than the server asked for', async () => {
    const patient = open({ retryDelayMaxMs: 5_000 });
    proxy.addRule({ operations: ['putBlob'], times: 1, fault: { kind: 'status', status: 429, retryAfterSeconds: 1 } });
    const startedMs = performance.now();
    expect(await patient.putDocument('blob', body, undefined)).toMatchObject({ kind: 'done' });
    expect(performance.now() - startedMs).toBeGreaterThan(900);
  });

  test('when an answer is cut off in the middle', async () => {
    await store.putDocument('blob', body, undefined);
    proxy.addRule({ operations: ['getBlob'], times: 1, fault: { kind: 'cutAfter' } });
    expect(await store.readRange('blob', 0, 10)).toEqual({ kind: 'done', value: body });
    expect(store.counts.readRange).toEqual({ calls: 1, attempts: 2, failures: 0, bytes: 10 });
  });
});

describe('the store holds back', () => {
  test('all operations for a while after many failures in a row, then probes with one', async () => {
    const rule = proxy.addRule({ fault: { kind: 'status', status: 500 } });
    const breaking = open({ breakerOpenMinMs: 60_000, breakerOpenMaxMs: 60_000 });
    for (let call = 0; call < 10; call += 1) await breaking.properties('blob');
    expect(rule.hits).toBe(8);
    expect(await breaking.properties('blob')).toMatchObject({ kind: 'unavailable' });
    expect(await breaking.readRange('blob', 0, 1)).toMatchObject({ kind: 'unavailable' });
    expect(rule.hits).toBe(8);
  });

  test('and recovers by itself', async () => {
    proxy.addRule({ fault: { kind: 'status', status: 500 } });
    for (let call = 0; call < 4; call += 1) await store.properties('blob');
    proxy.removeRules();
    await expect.poll(async () => (await store.properties('blob')).kind).toBe('notFound');
  });

  test('reads beyond the places in flight until one is free', async () => {
    await store.putDocument('blob', body, undefined);
    const narrow = open({ readsInFlightMax: 2 });
    const rule = proxy.addRule({ operations: ['getBlob'], fault: { kind: 'hold' } });
    const reads = Array.from({ length: 6 }, async (_, offset) => await narrow.readRange('blob', offset, 1));
    await expect.poll(() => rule.hits).toBe(2);
    expect(narrow.counts.readRange.attempts).toBe(2);
    rule.release();
    const outcomes = await Promise.all(reads);
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'done'));
  });

  test('nothing when the caller gives up: the request ends', async () => {
    const rule = proxy.addRule({ operations: ['getBlob'], fault: { kind: 'hang' } });
    const giveUp = new AbortController();
    const read = store.readRange('blob', 0, 1, giveUp.signal);
    await rule.hit();
    giveUp.abort();
    expect(await read).toMatchObject({ kind: 'aborted' });
    expect(store.health).toBe('available');
  });
});

test('changes of health are told once each', async () => {
  const told: string[] = [];
  const end = store.onHealthChange((health) => told.push(health));
  await store.properties('blob');
  proxy.addRule({ fault: { kind: 'status', status: 403 } });
  await store.properties('blob');
  await store.properties('blob');
  proxy.removeRules();
  await store.properties('blob');
  end();
  expect(told).toEqual(['forbidden', 'available']);
});
