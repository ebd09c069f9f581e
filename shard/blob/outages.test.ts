/** Blob that stops answering, dies, forgets, or holds something else than was put there. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { startTestAzurite } from '../../testing/azurite.ts';
import type { TestAzurite } from '../../testing/azurite.ts';
import { SegmentFiles, contentOf, openShard } from './fixtures.ts';
import type { TestShard } from './fixtures.ts';
import { manifestName } from './manifest.ts';

const KiB = 1024;
const blockBytes = 64 * KiB;

let azurite: TestAzurite;
let files: SegmentFiles;
let container: string;
const opened: TestShard[] = [];

beforeAll(async () => {
  azurite = await startTestAzurite();
});
afterAll(async () => {
  await azurite.remove();
});
beforeEach(async () => {
  files = await SegmentFiles.make();
  container = azurite.newContainerName();
});
afterEach(async () => {
  for (const { writeBehind } of opened.splice(0)) await writeBehind.stop({ flush: false });
  await files.remove();
});

function open(options: Parameters<typeof openShard>[2] = {}): TestShard {
  const shard = openShard(azurite.azurite.connectionString, container, { blockBytes, ...options });
  opened.push(shard);
  return shard;
}

const lively = { flushIntervalMs: 10, verifyDelayMs: 50, verifyIntervalMs: 3_600_000 };

/** Looks often, so that a test need not wait for it. */
const watchful = { ...lively, verifyIntervalMs: 100 };

async function openWithSegments(options: Parameters<typeof openShard>[2] = {}): Promise<TestShard> {
  const shard = open(options);
  await shard.writeBehind.takeover(undefined);
  files.begin(1, 1);
  await files.grow(1, 100_000);
  files.seal(1);
  files.begin(2, 1);
  await files.grow(2, 30_000);
  shard.writeBehind.start(files);
  await shard.writeBehind.flush();
  return shard;
}

async function expectAllInBlob({ writeBehind }: TestShard): Promise<void> {
  for (const summary of files.localSegments()) {
    expect(writeBehind.committedBytes(summary.id)).toBe(summary.bytes);
    const range = await writeBehind.readRange(summary, 0, summary.bytes);
    expect(range.equals(contentOf(summary.id, 0, summary.bytes))).toBe(true);
    if (summary.sealed)
      expect((await writeBehind.readHint(summary)).equals(await files.readHint(summary.id))).toBe(true);
  }
}

describe('Azurite', () => {
  test('that stands still keeps waiters waiting, reads failing by name, and memory bounded', async () => {
    const shard = await openWithSegments(lively);
    azurite.azurite.pause();
    await files.grow(2, 20 * blockBytes);
    const waiting = shard.writeBehind.waitCommitted(2, files.summary(2).bytes);
    await expect(shard.writeBehind.readRange(files.summary(1), 0, 10)).rejects.toMatchObject({ code: 'BLOBDOWN' });
    await expect.poll(() => shard.store.health, { timeout: 20_000 }).toBe('unavailable');
    expect(shard.writeBehind.unflushedBytes()).toBe(20 * blockBytes);
    expect(files.readsInFlightMax).toBeLessThanOrEqual(2);
    azurite.azurite.resume();
    await waiting;
    await expectAllInBlob(shard);
    expect(shard.log.messages('warn')).toContain('Blob does not answer; bytes wait on disk');
    expect(shard.writeBehind.stats().lostSegments).toBe(0);
  });

  test('that is ended and started again loses nothing and is used again by itself', async () => {
    const shard = await openWithSegments(lively);
    await azurite.azurite.stop();
    await files.grow(2, 10_000);
    await expect.poll(() => shard.store.health).toBe('unavailable');
    await azurite.azurite.restart();
    await shard.writeBehind.waitCommitted(2, 40_000);
    await expectAllInBlob(shard);
  });

  test('that is killed gets again what it lost', async () => {
    const shard = await openWithSegments(lively);
    files.seal(2);
    await shard.writeBehind.flush();
    await azurite.azurite.kill();
    await azurite.azurite.restart();
    files.begin(3, 1);
    await files.grow(3, 1_000);
    await shard.writeBehind.waitCommitted(3, 1_000);
    await expect.poll(() => [1, 2].every((id) => shard.writeBehind.isSafe(id))).toBe(true);
    await expectAllInBlob(shard);
  });
});

describe('a store that goes back in time', () => {
  test('to before everything gets everything again, though the shard is idle', async () => {
    await azurite.snapshot();
    const shard = await openWithSegments(watchful);
    expect(shard.writeBehind.isSafe(1)).toBe(true);
    await azurite.rollBack();
    await expect.poll(() => shard.writeBehind.stats().lostSegments, { timeout: 10_000 }).toBe(2);
    await expect.poll(() => shard.writeBehind.isSafe(1), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => shard.writeBehind.unflushedBytes()).toBe(0);
    await expectAllInBlob(shard);
    expect(shard.fencedReasons).toEqual([]);
  });

  test('to before the takeover is overruled by the owner, and the older process stays fenced', async () => {
    const older = await openWithSegments();
    await azurite.snapshot();
    const newer = open(lively);
    await newer.writeBehind.takeover(1);
    await files.grow(2, 10_000);
    newer.writeBehind.start(files);
    await newer.writeBehind.waitCommitted(2, 40_000);
    await azurite.rollBack();
    await files.grow(2, 10_000);
    await newer.writeBehind.waitCommitted(2, 50_000);
    await expect.poll(() => newer.writeBehind.isSafe(1)).toBe(true);
    await expectAllInBlob(newer);
    expect(newer.fencedReasons).toEqual([]);
    await expect(older.writeBehind.flush()).rejects.toMatchObject({ code: 'FENCED' });
    await expect(open().writeBehind.takeover(undefined)).resolves.toMatchObject({ previousIncarnation: 2 });
  });

  test('by some commits is brought up again from where it stands', async () => {
    const shard = await openWithSegments(watchful);
    await azurite.snapshot();
    await files.grow(2, 200_000);
    files.seal(2);
    await expect.poll(() => shard.writeBehind.isSafe(2)).toBe(true);
    await azurite.rollBack();
    await expect.poll(() => shard.writeBehind.stats().lostSegments, { timeout: 10_000 }).toBe(1);
    await expect.poll(() => shard.writeBehind.isSafe(2), { timeout: 10_000 }).toBe(true);
    await expectAllInBlob(shard);
  });

  test('is no reason to trust what the manifest says of a segment before it was seen', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    await shard.store.delete('segments/000000000001-1.seg', undefined);
    const next = open();
    await next.writeBehind.takeover(1);
    expect(next.writeBehind.isSafe(1)).toBe(false);
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    expect(next.writeBehind.isSafe(1)).toBe(true);
    await expectAllInBlob(next);
  });

  test('and has lost what no disk holds is reported, and the rest goes on', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    await shard.store.delete('segments/000000000001-1.seg', undefined);
    const empty = await SegmentFiles.make();
    const next = open();
    await next.writeBehind.takeover(undefined);
    next.writeBehind.start(empty);
    await next.writeBehind.flush();
    expect(next.writeBehind.isSafe(1)).toBe(false);
    expect(next.log.messages('error')).toEqual(['Blob lost a segment that no disk holds']);
    await expect(next.writeBehind.readRange(files.summary(1), 0, 10)).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect((await next.writeBehind.readRange(files.summary(2), 0, 10)).length).toBe(10);
    await empty.remove();
  });
});

describe('a sealed blob of a former process', () => {
  test('whose metadata somebody touches still counts', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    const empty = await SegmentFiles.make();
    const next = open(watchful);
    await next.writeBehind.takeover(undefined);
    next.writeBehind.start(empty);
    await next.writeBehind.flush();
    const name = 'segments/000000000001-1.seg';
    const found = await next.store.properties(name);
    if (found.kind !== 'done') throw new Error(found.message);
    await next.store.setMetadata(name, { ...found.value.metadata, touched: 'yes' }, undefined);
    const { verifications } = next.writeBehind.stats();
    await expect.poll(() => next.writeBehind.stats().verifications).toBeGreaterThan(verifications + 1);
    expect(next.writeBehind.isSafe(1)).toBe(true);
    expect(next.writeBehind.stats().lostSegments).toBe(0);
    await empty.remove();
  });
});

describe('a manifest', () => {
  test.each(['', 'garbage', '{"version":7}', '{"version":1,"segments":[]}'])(
    'that reads %j is left alone by a takeover, which says so',
    async (text) => {
      const shard = open();
      await shard.store.createContainer();
      await shard.store.putDocument(manifestName, Buffer.from(text), undefined);
      await expect(shard.writeBehind.takeover(undefined)).rejects.toMatchObject({ code: 'FORMAT' });
      const kept = await shard.store.readDocument(manifestName, 1_000);
      expect(kept).toMatchObject({ kind: 'done', value: { body: Buffer.from(text) } });
    },
  );

  test('that turns into garbage under its owner is written again', async () => {
    const shard = await openWithSegments();
    await shard.store.putDocument(manifestName, Buffer.from('garbage'), undefined);
    files.seal(2);
    await shard.writeBehind.flush();
    await expect(open().writeBehind.takeover(undefined)).resolves.toMatchObject({
      previousIncarnation: 1,
      segments: [{ id: 1 }, { id: 2, sealed: true }],
    });
  });

  test('of a later version and incarnation fences its older owner', async () => {
    const shard = await openWithSegments();
    await shard.store.putDocument(manifestName, Buffer.from('{"version":2,"incarnation":5}'), undefined);
    files.seal(2);
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'FENCED' });
  });

  test('of another shard is refused by name', async () => {
    await openWithSegments();
    const stranger = open({ shard: 'shard-1' });
    await expect(stranger.writeBehind.takeover(undefined)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(/belongs to shard "shard-0"/u),
    });
  });
});

describe('a process that died between a commit and the manifest', () => {
  test('left a sealed blob: the next one finds it sealed', async () => {
    const shard = await openWithSegments();
    const before = await shard.store.readDocument(manifestName, 10_000);
    if (before.kind !== 'done') throw new Error(before.message);
    files.seal(2);
    await shard.writeBehind.flush();
    await shard.writeBehind.stop({ flush: false });
    await shard.store.putDocument(manifestName, before.value.body, undefined);
    const next = open();
    const { segments } = await next.writeBehind.takeover(1);
    expect(segments.find(({ id }) => id === 2)).toEqual(files.summary(2));
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    expect(next.writeBehind.isSafe(2)).toBe(true);
    expect(next.store.counts.stageBlock.attempts).toBe(0);
  });

  test('left an unlisted blob of a file on disk: it is replaced and listed', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    await shard.store.delete(manifestName, undefined);
    const next = open();
    expect(await next.writeBehind.takeover(1)).toMatchObject({ incarnation: 2, segments: [] });
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    await expectAllInBlob(next);
    expect(next.writeBehind.isSafe(1)).toBe(true);
    expect(next.writeBehind.stats().orphansDeleted).toBe(0);
  });

  test('left a blob that nothing lists or holds: it is deleted', async () => {
    const shard = await openWithSegments();
    await shard.store.putDocument('segments/000000000099-1.seg', Buffer.from('orphan'), undefined);
    await shard.writeBehind.stop({ flush: true });
    const next = open();
    await next.writeBehind.takeover(1);
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    expect(next.writeBehind.stats().orphansDeleted).toBe(1);
    expect(await next.store.properties('segments/000000000099-1.seg')).toMatchObject({ kind: 'notFound' });
    await expectAllInBlob(next);
  });
});

describe('an open segment of a former process', () => {
  test('whose file is shorter than its blob is cut where the log says', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    files.truncate(2, 20_000);
    files.seal(2);
    const next = open();
    await next.writeBehind.takeover(1);
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    await expectAllInBlob(next);
    expect(next.writeBehind.isSafe(2)).toBe(true);
  });

  test('that lies in Blob alone is sealed there, its bytes read from the blob', async () => {
    const shard = await openWithSegments();
    await files.grow(2, 3 * blockBytes);
    await shard.writeBehind.flush();
    await shard.writeBehind.stop({ flush: true });
    const empty = await SegmentFiles.make();
    const next = open();
    const { segments } = await next.writeBehind.takeover(undefined);
    next.writeBehind.start(empty);
    await next.writeBehind.flush();
    const found = segments.find(({ id }) => id === 2);
    if (found === undefined) throw new Error('segment 2 is not listed');
    const hint = Buffer.from('hint of segment two');
    const sealed = { ...found, sealed: true, bytes: found.bytes - 70_000, hintBytes: hint.length, records: 3 };
    await next.writeBehind.sealAdopted(sealed, hint);
    expect(next.writeBehind.isSafe(2)).toBe(true);
    expect(next.writeBehind.summaries().find(({ id }) => id === 2)).toEqual(sealed);
    expect((await next.writeBehind.readHint(sealed)).equals(hint)).toBe(true);
    const range = await next.writeBehind.readRange(sealed, 0, sealed.bytes);
    expect(range.equals(contentOf(2, 0, sealed.bytes))).toBe(true);
    await empty.remove();
  });

  test('whose number another segment on disk bears is never overwritten', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    const stale = await SegmentFiles.make();
    stale.begin(2, 0);
    await stale.grow(2, 99_000);
    const next = open();
    await next.writeBehind.takeover(undefined);
    next.writeBehind.start(stale);
    await next.writeBehind.flush();
    expect(next.log.messages('error')).toContain(
      'a segment on disk bears the number of another one in the manifest; it is not uploaded',
    );
    expect(next.writeBehind.unflushedBytes()).toBe(0);
    const range = await next.writeBehind.readRange(files.summary(2), 0, 30_000);
    expect(range.equals(contentOf(2, 0, 30_000))).toBe(true);
    await stale.remove();
  });
});

describe('dropping', () => {
  test('takes segments off the manifest that were never seen by this process', async () => {
    const shard = await openWithSegments();
    await shard.writeBehind.stop({ flush: true });
    const next = open();
    await next.writeBehind.takeover(1);
    await next.writeBehind.drop([1]);
    expect(await next.store.list('segments/')).toMatchObject({
      kind: 'done',
      value: [{ name: 'segments/000000000002-1.seg' }],
    });
    next.writeBehind.start(files);
    await next.writeBehind.flush();
    expect(next.writeBehind.summaries().map(({ id }) => id)).toEqual([2]);
    expect(next.writeBehind.unflushedBytes()).toBe(0);
  });

  test('while Blob is away is refused by name and done later', async () => {
    const shard = await openWithSegments(lively);
    await azurite.azurite.stop();
    await expect(shard.writeBehind.drop([1])).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect(shard.writeBehind.isSafe(1)).toBe(false);
    await azurite.azurite.restart();
    await expect
      .poll(async () => await shard.store.properties('segments/000000000001-1.seg'))
      .toMatchObject({ kind: 'notFound' });
    expect(shard.writeBehind.summaries().map(({ id }) => id)).toEqual([2]);
  });

  test('an unflushed segment lets its waiters go with an error', async () => {
    const shard = await openWithSegments();
    files.begin(3, 1);
    await files.grow(3, 1_000);
    const waiting = shard.writeBehind.waitCommitted(3, 2_000);
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'BLOBDOWN' });
    await shard.writeBehind.drop([3]);
    files.delete(3);
    await rejected;
  });
});

test('a backlog goes up oldest first, and each segment is safe before the next but one is begun', async () => {
  const shard = open();
  await shard.writeBehind.takeover(undefined);
  for (let id = 1; id <= 6; id += 1) {
    files.begin(id, 1);
    await files.grow(id, 10_000);
    if (id < 6) files.seal(id);
  }
  const safeAtRead: number[] = [];
  shard.writeBehind.start({
    localSegments: () => files.localSegments(),
    readHint: async (id) => await files.readHint(id),
    read: async (id, offset, length) => {
      safeAtRead.push([1, 2, 3, 4, 5, 6].filter((other) => shard.writeBehind.isSafe(other)).length);
      return await files.read(id, offset, length);
    },
  });
  await shard.writeBehind.flush();
  expect(safeAtRead).toEqual([0, 1, 2, 3, 4, 4]);
  await expectAllInBlob(shard);
});
