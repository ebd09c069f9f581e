import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { startTestAzurite } from '../../testing/azurite.ts';
import type { TestAzurite } from '../../testing/azurite.ts';
import { SegmentFiles, contentOf, openShard } from './fixtures.ts';
import type { TestShard } from './fixtures.ts';

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

function writes({ store }: TestShard): number {
  const { stageBlock, commitBlockList, setMetadata, putDocument, delete: deletes } = store.counts;
  return (
    stageBlock.attempts + commitBlockList.attempts + setMetadata.attempts + putDocument.attempts + deletes.attempts
  );
}

describe('write-behind', () => {
  test('commits what a segment file holds and reads any range of it back', async () => {
    const shard = open();
    const taken = await shard.writeBehind.takeover(undefined);
    expect(taken).toEqual({ previousIncarnation: 0, incarnation: 1, segments: [] });
    files.begin(1, taken.incarnation);
    await files.grow(1, 200_000);
    shard.writeBehind.start(files);
    await shard.writeBehind.flush();
    expect(shard.writeBehind.committedBytes(1)).toBe(200_000);
    expect(shard.writeBehind.unflushedBytes()).toBe(0);
    const range = await shard.writeBehind.readRange(files.summary(1), 65_000, 100_000);
    expect(range.equals(contentOf(1, 65_000, 100_000))).toBe(true);
    expect(shard.writeBehind.isSafe(1)).toBe(false);
    expect(shard.log.lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  test('a sealed segment carries its hint behind its records and is safe once the manifest says sealed', async () => {
    const shard = open();
    await shard.writeBehind.takeover(undefined);
    files.begin(1, 1);
    await files.grow(1, 100_000);
    files.seal(1, 150_000);
    shard.writeBehind.start(files);
    await shard.writeBehind.flush();
    expect(shard.writeBehind.isSafe(1)).toBe(true);
    const [summary] = shard.writeBehind.summaries();
    expect(summary).toEqual(files.summary(1));
    const hint = await shard.writeBehind.readHint(files.summary(1));
    expect(hint.equals(await files.readHint(1))).toBe(true);
  });

  test('a pass over a growing segment stages one block and commits once; an idle pass sends nothing', async () => {
    const shard = open();
    await shard.writeBehind.takeover(undefined);
    files.begin(1, 1);
    await files.grow(1, 1_000);
    shard.writeBehind.start(files);
    await shard.writeBehind.flush();
    const { stageBlock, commitBlockList, putDocument } = shard.store.counts;
    const before = { staged: stageBlock.attempts, committed: commitBlockList.attempts, put: putDocument.attempts };
    for (let pass = 0; pass < 20; pass += 1) {
      await files.grow(1, 500);
      await shard.writeBehind.flush();
    }
    expect(stageBlock.attempts - before.staged).toBe(20);
    expect(commitBlockList.attempts - before.committed).toBe(20);
    expect(putDocument.attempts).toBe(before.put);
    const written = writes(shard);
    for (let pass = 0; pass < 5; pass += 1) await shard.writeBehind.flush();
    expect(writes(shard)).toBe(written);
    const all = await shard.writeBehind.readRange(files.summary(1), 0, 11_000);
    expect(all.equals(contentOf(1, 0, 11_000))).toBe(true);
  });

  test('a waiter is let go by a flush that it hastens itself', async () => {
    const shard = open();
    await shard.writeBehind.takeover(undefined);
    files.begin(1, 1);
    shard.writeBehind.start(files);
    await shard.writeBehind.flush();
    await files.grow(1, 5_000);
    await shard.writeBehind.waitCommitted(1, 5_000);
    expect(shard.writeBehind.committedBytes(1)).toBe(5_000);
  });
});

describe('restart', () => {
  test('an open segment comes back with its committed length and is continued from there', async () => {
    const first = open();
    await first.writeBehind.takeover(undefined);
    files.begin(1, 1);
    await files.grow(1, 200_000);
    first.writeBehind.start(files);
    await first.writeBehind.flush();
    await first.writeBehind.stop({ flush: true });

    await files.grow(1, 30_000);
    files.seal(1);
    const second = open();
    const taken = await second.writeBehind.takeover(1);
    expect(taken.incarnation).toBe(2);
    expect(taken.previousIncarnation).toBe(1);
    expect(taken.segments.map(({ id, sealed, bytes }) => ({ id, sealed, bytes }))).toEqual([
      { id: 1, sealed: false, bytes: 200_000 },
    ]);
    second.writeBehind.start(files);
    await second.writeBehind.flush();
    expect(second.writeBehind.isSafe(1)).toBe(true);
    expect(second.store.counts.stageBlock.bytes).toBeLessThan(100_000);
    const all = await second.writeBehind.readRange(files.summary(1), 0, 230_000);
    expect(all.equals(contentOf(1, 0, 230_000))).toBe(true);
  });

  test('a takeover that the caller does not adopt uploads nothing, though the loop runs', async () => {
    const shard = open();
    files.begin(1, 1);
    await files.grow(1, 1_000);
    shard.writeBehind.start(files);
    const refused = shard.writeBehind.takeover(1, async ({ previousIncarnation, incarnation }) => {
      throw new Error(`found ${previousIncarnation}, took ${incarnation}`);
    });
    await expect(refused).rejects.toThrow('found 0, took 2');
    await expect(shard.writeBehind.flush()).rejects.toMatchObject({ code: 'BLOBDOWN' });
    expect(shard.store.counts.stageBlock.attempts).toBe(0);
    expect(shard.writeBehind.unflushedBytes()).toBe(1_000);
  });

  test('an older writer is fenced by a takeover and nothing it writes later is committed', async () => {
    const older = open();
    await older.writeBehind.takeover(undefined);
    files.begin(1, 1);
    await files.grow(1, 10_000);
    older.writeBehind.start(files);
    await older.writeBehind.flush();

    const newer = open();
    const taken = await newer.writeBehind.takeover(undefined);
    expect(taken.segments[0]?.bytes).toBe(10_000);

    await files.grow(1, 10_000);
    await expect(older.writeBehind.waitCommitted(1, 20_000)).rejects.toMatchObject({ code: 'FENCED' });
    expect(older.fencedReasons).toHaveLength(1);
    await expect(older.writeBehind.flush()).rejects.toMatchObject({ code: 'FENCED' });
    const properties = await newer.store.properties('segments/000000000001-1.seg');
    expect(properties).toMatchObject({ kind: 'done', value: { bytes: 10_000 } });
  });

  test('dropped segments leave the manifest and their blobs, and are not uploaded again', async () => {
    const shard = open();
    await shard.writeBehind.takeover(undefined);
    for (const id of [1, 2]) {
      files.begin(id, 1);
      await files.grow(id, 1_000);
      files.seal(id);
    }
    shard.writeBehind.start(files);
    await shard.writeBehind.flush();
    await shard.writeBehind.drop([1]);
    await shard.writeBehind.flush();
    expect(shard.writeBehind.summaries().map(({ id }) => id)).toEqual([2]);
    const listed = await shard.store.list('segments/');
    expect(listed).toMatchObject({ kind: 'done', value: [{ name: 'segments/000000000002-1.seg' }] });
  });
});
