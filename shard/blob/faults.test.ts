/** Write-behind behind a network and a service that misbehave. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { azuriteConnectionString } from '../../azurite/azurite.ts';
import { startTestAzurite } from '../../testing/azurite.ts';
import type { TestAzurite } from '../../testing/azurite.ts';
import { FaultProxy } from '../../testing/fault-proxy.ts';
import { SegmentFiles, contentOf, openShard } from './fixtures.ts';
import type { TestShard } from './fixtures.ts';

const KiB = 1024;
const blockBytes = 64 * KiB;
const blobName = 'segments/000000000001-1.seg';

let azurite: TestAzurite;
let proxy: FaultProxy;
let files: SegmentFiles;
let container: string;
const opened: TestShard[] = [];

beforeAll(async () => {
  azurite = await startTestAzurite();
  proxy = await FaultProxy.start(azurite.azurite.port);
});
afterAll(async () => {
  await proxy.close();
  await azurite.remove();
});
beforeEach(async () => {
  files = await SegmentFiles.make();
  container = azurite.newContainerName();
});
afterEach(async () => {
  proxy.removeRules();
  for (const { writeBehind } of opened.splice(0)) await writeBehind.stop({ flush: false });
  await files.remove();
});

/** `direct` goes around the proxy: another process, whose network is well. */
function open(options: Parameters<typeof openShard>[2] = {}, direct = false): TestShard {
  const port = direct ? azurite.azurite.port : proxy.port;
  const shard = openShard(azuriteConnectionString(port), container, { blockBytes, ...options });
  opened.push(shard);
  return shard;
}

/** A shard with one open segment, of which so much is committed. */
async function openWithSegment(bytes: number, options: Parameters<typeof openShard>[2] = {}): Promise<TestShard> {
  const shard = open(options);
  await shard.writeBehind.takeover(undefined);
  files.begin(1, 1);
  if (bytes > 0) await files.grow(1, bytes);
  shard.writeBehind.start(files);
  await shard.writeBehind.flush();
  return shard;
}

async function expectInBlob({ writeBehind }: TestShard, id: number): Promise<void> {
  const { bytes } = files.summary(id);
  expect(writeBehind.committedBytes(id)).toBe(bytes);
  const range = await writeBehind.readRange(files.summary(id), 0, bytes);
  expect(range.equals(contentOf(id, 0, bytes))).toBe(true);
}

describe('a write whose answer is lost', () => {
  test('is recognised as our own when a commit had landed', async () => {
    const shard = await openWithSegment(10_000);
    const rule = proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'cutAfter' } });
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    expect(rule.hits).toBe(1);
    await expectInBlob(shard, 1);
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
    expect(shard.fencedReasons).toEqual([]);
  });

  test('is recognised when every answer to the commit is lost, and the next pass goes on', async () => {
    const shard = await openWithSegment(10_000);
    proxy.addRule({ operations: ['commitBlockList'], times: 3, fault: { kind: 'cutAfter' } });
    await files.grow(1, 10_000);
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect(shard.writeBehind.committedBytes(1)).toBe(10_000);
    const staged = shard.store.counts.stageBlock.attempts;
    await shard.writeBehind.flush();
    expect(shard.store.counts.stageBlock.attempts).toBe(staged);
    await expectInBlob(shard, 1);
  });

  test('is recognised when it made the blob', async () => {
    const shard = await openWithSegment(0);
    proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'cutAfter' } });
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
    expect(shard.writeBehind.summaries().map(({ id }) => id)).toEqual([1]);
  });

  test('is recognised when it sealed the segment', async () => {
    const shard = await openWithSegment(10_000);
    proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'cutAfter' } });
    files.seal(1);
    await shard.writeBehind.flush();
    expect(shard.writeBehind.isSafe(1)).toBe(true);
    expect((await shard.writeBehind.readHint(files.summary(1))).equals(await files.readHint(1))).toBe(true);
  });

  test('is recognised when it was the manifest', async () => {
    const shard = await openWithSegment(0);
    proxy.addRule({ operations: ['putBlob'], times: 1, fault: { kind: 'cutAfter' } });
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
    expect(shard.fencedReasons).toEqual([]);
  });

  test('is recognised when it was the takeover itself', async () => {
    const shard = open();
    proxy.addRule({ operations: ['putBlob'], times: 1, fault: { kind: 'cutAfter' } });
    expect(await shard.writeBehind.takeover(4)).toMatchObject({ previousIncarnation: 0, incarnation: 5 });
    const next = open();
    expect(await next.writeBehind.takeover(undefined)).toMatchObject({ previousIncarnation: 5, incarnation: 6 });
  });

  test('stays harmless when a commit lands long after it was given up', async () => {
    const shard = await openWithSegment(10_000);
    const held = proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'hold' } });
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
    held.release();
    await files.grow(1, 10_000);
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
    expect(shard.fencedReasons).toEqual([]);
  });
});

describe('trouble on the way', () => {
  test.each([429, 500, 503])('a burst of %i delays a flush and loses nothing', async (status) => {
    const shard = await openWithSegment(10_000, { flushIntervalMs: 20 });
    const rule = proxy.addRule({ times: 25, fault: { kind: 'status', status } });
    await files.grow(1, 300_000);
    await shard.writeBehind.waitCommitted(1, 310_000);
    expect(rule.hits).toBe(25);
    await expectInBlob(shard, 1);
  });

  test('blocks that are staged already are not sent again after a failure further on', async () => {
    const shard = await openWithSegment(0);
    await files.grow(1, 10 * blockBytes);
    proxy.addRule({ operations: ['commitBlockList'], times: 3, fault: { kind: 'status', status: 500 } });
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect(shard.store.counts.stageBlock.attempts).toBe(10);
    proxy.addRule({ operations: ['stageBlock'], fault: { kind: 'status', status: 500 } });
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'BLOBDOWN' });
    proxy.removeRules();
    await shard.writeBehind.flush();
    await expectInBlob(shard, 1);
  });

  test('no permission is said plainly, tried again slowly, and over when it is granted', async () => {
    const shard = await openWithSegment(10_000, { flushIntervalMs: 10, slowRetryDelayMs: 50 });
    const rule = proxy.addRule({ fault: { kind: 'status', status: 403, code: 'AuthorizationPermissionMismatch' } });
    await files.grow(1, 10_000);
    const waiting = shard.writeBehind.waitCommitted(1, 20_000);
    await expect.poll(() => rule.hits).toBeGreaterThan(2);
    expect(shard.writeBehind.stats().health).toBe('forbidden');
    expect(shard.log.messages('error')).toEqual(['Blob refuses this identity; it is tried again slowly']);
    proxy.removeRules();
    await waiting;
    await expectInBlob(shard, 1);
    expect(shard.writeBehind.stats().health).toBe('available');
  });

  test('a container that is missing and may not be made is named by the takeover', async () => {
    const shard = open();
    proxy.addRule({ operations: ['createContainer'], fault: { kind: 'status', status: 403 } });
    await expect(shard.writeBehind.takeover(undefined)).rejects.toMatchObject({
      code: 'BLOBDOWN',
      message: expect.stringMatching(/container of .*test-.* is missing and could not be made: createContainer: 403/u),
    });
    proxy.removeRules();
    expect(await shard.writeBehind.takeover(undefined)).toMatchObject({ incarnation: 1 });
  });

  test('a container that is deleted is made again and filled from the disk', async () => {
    const shard = await openWithSegment(10_000, { flushIntervalMs: 10, slowRetryDelayMs: 20 });
    files.seal(1);
    files.begin(2, 1);
    await files.grow(2, 5_000);
    await shard.writeBehind.flush();
    await deleteContainer();
    await files.grow(2, 5_000);
    await shard.writeBehind.waitCommitted(2, 10_000);
    await expect.poll(() => shard.writeBehind.isSafe(1)).toBe(true);
    await expectInBlob(shard, 1);
    await expectInBlob(shard, 2);
    const next = open();
    const { segments } = await next.writeBehind.takeover(undefined);
    expect(segments.map(({ id, bytes }) => [id, bytes])).toEqual([
      [1, 10_000],
      [2, 10_000],
    ]);
  });

  test('a takeover without a connection is BLOBDOWN, and can be repeated', async () => {
    const shard = open();
    files.begin(1, 1);
    await files.grow(1, 1_000);
    shard.writeBehind.start(files);
    proxy.addRule({ fault: { kind: 'cut' } });
    await expect(shard.writeBehind.takeover(1)).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect(shard.writeBehind.unflushedBytes()).toBe(1_000);
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'BLOBDOWN' });
    const waiting = shard.writeBehind.waitCommitted(1, 1_000);
    proxy.removeRules();
    await expect.poll(async () => await tookOver(shard)).toBe(2);
    await waiting;
    await expectInBlob(shard, 1);
  });

  test('an idle shard sends nothing, and a miss nowhere near Blob', async () => {
    const shard = await openWithSegment(10_000, { flushIntervalMs: 5 });
    const before = proxy.writes() + proxy.reads();
    const { verifications } = shard.writeBehind.stats();
    for (let pass = 0; pass < 10; pass += 1) await shard.writeBehind.flush();
    expect(proxy.writes() + proxy.reads()).toBe(before);
    expect(shard.writeBehind.stats().verifications).toBe(verifications);
  });

  test('RAM holds two blocks in flight, however slow Blob is', async () => {
    const shard = await openWithSegment(0);
    const rule = proxy.addRule({ operations: ['stageBlock'], fault: { kind: 'hold' } });
    await files.grow(1, 20 * blockBytes);
    const flushing = shard.writeBehind.flush();
    await expect.poll(() => rule.hits).toBe(2);
    expect(files.readsInFlightMax).toBeLessThanOrEqual(2);
    expect(shard.store.counts.stageBlock.calls).toBe(2);
    rule.release();
    await flushing;
    await expectInBlob(shard, 1);
  });

  test('a stop gives up a flush that cannot be done, and keeps the bytes on disk', async () => {
    const shard = await openWithSegment(10_000);
    proxy.addRule({ fault: { kind: 'hang' } });
    await files.grow(1, 10_000);
    const waiting = shard.writeBehind.waitCommitted(1, 20_000);
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'SHUTDOWN' });
    await shard.writeBehind.stop({ flush: true, timeoutMs: 50 });
    await rejected;
    expect(shard.log.messages('warn')).toContain('stopped before everything was in Blob; it stays on disk');
  });
});

describe('fencing', () => {
  test('a commit of the older writer that arrives after the takeover changes nothing', async () => {
    const older = await openWithSegment(10_000);
    const held = proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'hold' } });
    await files.grow(1, 10_000);
    const waiting = older.writeBehind.waitCommitted(1, 20_000);
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'FENCED' });
    await held.hit();

    const newer = open({}, true);
    const { segments } = await newer.writeBehind.takeover(undefined);
    expect(segments[0]?.bytes).toBe(10_000);
    held.release();
    await rejected;
    expect(older.fencedReasons).toHaveLength(1);
    expect(await newer.store.properties(blobName)).toMatchObject({ kind: 'done', value: { bytes: 10_000 } });
  });

  test('a blob that the older writer makes after the takeover is never listed, and deleted', async () => {
    const older = await openWithSegment(0);
    const held = proxy.addRule({ operations: ['commitBlockList'], times: 1, fault: { kind: 'hold' } });
    await files.grow(1, 10_000);
    const waiting = older.writeBehind.waitCommitted(1, 10_000);
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'FENCED' });
    await held.hit();
    const newer = open({}, true);
    expect((await newer.writeBehind.takeover(undefined)).segments).toEqual([]);
    held.release();
    await rejected;
    const newFiles = await SegmentFiles.make();
    newer.writeBehind.start(newFiles);
    await newer.writeBehind.flush();
    expect(newer.writeBehind.stats().orphansDeleted).toBe(1);
    expect(await newer.store.list('segments/')).toMatchObject({ kind: 'done', value: [] });
    await newFiles.remove();
  });

  test('blocks that a fenced writer stages never enter the commits of its successor', async () => {
    const older = await openWithSegment(10_000);
    const newer = open({}, true);
    await newer.writeBehind.takeover(1);
    proxy.addRule({ operations: ['commitBlockList'], fault: { kind: 'hang' } });
    await files.grow(1, 10_000);
    const waiting = older.writeBehind.waitCommitted(1, 20_000);
    const rejected = expect(waiting).rejects.toThrow();
    await expect.poll(() => older.store.counts.commitBlockList.attempts).toBeGreaterThan(1);
    newer.writeBehind.start(files);
    await newer.writeBehind.flush();
    await expectInBlob(newer, 1);
    await older.writeBehind.stop({ flush: false });
    await rejected;
  });

  test('an idle older writer notices by reading alone', async () => {
    const older = await openWithSegment(10_000, { flushIntervalMs: 10, verifyDelayMs: 30, verifyIntervalMs: 30 });
    const newer = open({}, true);
    await newer.writeBehind.takeover(undefined);
    await expect.poll(() => older.fencedReasons).toHaveLength(1);
    expect(older.writeBehind.stats().fenced).toBe(true);
    await expect(older.writeBehind.drop([1])).rejects.toMatchObject({ code: 'FENCED' });
  });

  test('a takeover that was overtaken halfway does not steal the shard back', async () => {
    await openWithSegment(10_000);
    const slow = open();
    proxy.addRule({ operations: ['setMetadata'], fault: { kind: 'cut' } });
    await expect(slow.writeBehind.takeover(undefined)).rejects.toMatchObject({ code: 'BLOBDOWN' });
    const quick = open({}, true);
    expect(await quick.writeBehind.takeover(undefined)).toMatchObject({ incarnation: 3 });
    proxy.removeRules();
    await expect(slow.writeBehind.takeover(undefined)).rejects.toMatchObject({ code: 'FENCED' });
  });
});

async function tookOver(shard: TestShard): Promise<number> {
  try {
    return (await shard.writeBehind.takeover(1)).incarnation;
  } catch {
    return 0;
  }
}

async function deleteContainer(): Promise<void> {
  const { BlobServiceClient } = await import('@azure/storage-blob');
  await BlobServiceClient.fromConnectionString(azurite.azurite.connectionString).deleteContainer(container);
}
