import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { roomyEviction, setOf, temporaryFolder, TestStore } from '../../testing/store.ts';

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = temporaryFolder('storage');
});
afterEach(() => folder.remove());

describe('recovery', () => {
  test('what was written before a clean end is there again', async () => {
    const first = await TestStore.open(folder.path);
    first.set('a', '1');
    first.set('b', '2');
    first.set('a', '3');
    first.delete('b');
    await first.close();
    const second = await TestStore.open(folder.path);
    expect(await second.text('a')).toBe('3');
    expect(await second.text('b')).toBeUndefined();
    expect(second.storage.report?.damages).toEqual([]);
    await second.close();
  });

  test('what is in the file survives a crash without a hint', async () => {
    const first = await TestStore.open(folder.path);
    first.set('a', 'old');
    await first.storage.durable(first.set('a', 'new'), 'disk');
    await first.crash();
    const second = await TestStore.open(folder.path);
    expect(await second.text('a')).toBe('new');
    await second.close();
    const third = await TestStore.open(folder.path);
    expect(await third.text('a')).toBe('new');
    await third.close();
  });

  test('an expired value stays gone and does not bring its predecessor back', async () => {
    const first = await TestStore.open(folder.path);
    first.set('a', 'old');
    await first.storage.log.roll();
    first.set('a', 'short', Date.now() - 1);
    await first.close();
    const second = await TestStore.open(folder.path);
    expect(await second.text('a')).toBeUndefined();
    await second.close();
  });

  test('a value above the chunk bound comes back whole, and its parts are not left behind', async () => {
    const large = randomBytes(21 * 1024 * 1024);
    const first = await TestStore.open(folder.path);
    first.set('large', large);
    await first.storage.log.roll();
    expect(large.equals((await first.get('large'))!)).toBe(true);
    await first.close();
    const second = await TestStore.open(folder.path);
    expect(large.equals((await second.get('large'))!)).toBe(true);
    second.set('large', 'small');
    await second.storage.log.roll();
    await second.storage.maintain();
    expect(await second.text('large')).toBe('small');
    expect(second.storage.log.localBytes()).toBeLessThan(1024 * 1024);
    await second.close();
  });

  test('a slot-drop makes every older record of the slot void, also after a restart', async () => {
    const first = await TestStore.open(folder.path);
    first.set('{x}1', 'gone');
    first.set('y', 'stays');
    await first.storage.dropSlots([setOf('{x}1', '').slot]);
    first.set('{x}2', 'after');
    await first.close();
    const second = await TestStore.open(folder.path);
    expect(await second.text('{x}1')).toBeUndefined();
    expect(await second.text('{x}2')).toBe('after');
    expect(await second.text('y')).toBe('stays');
    await second.close();
  });

  test('records of a slot that are older than its since-epoch are ignored', async () => {
    const first = await TestStore.open(folder.path, { epoch: () => 3 });
    first.set('a', 'old');
    await first.close();
    const second = await TestStore.open(folder.path, { epoch: () => 5, sinceOf: () => 5 });
    expect(await second.text('a')).toBeUndefined();
    await second.close();
  });
});

describe('the number of a segment', () => {
  test('is given once, also when the segment was thrown away for it was empty', async () => {
    const numbers: number[] = [];
    for (let start = 0; start < 3; start++) {
      const store = await TestStore.open(folder.path);
      numbers.push(store.storage.log.active!.id);
      await store.close();
    }
    expect(numbers).toEqual([1, 2, 3]);
  });
});

describe('compaction', () => {
  test('wins back the space of overwritten values and keeps the live ones', async () => {
    const store = await TestStore.open(folder.path);
    for (let round = 0; round < 5; round++) {
      for (let key = 0; key < 200; key++) store.set(`key-${key}`, `${round}:${key}:`.padEnd(4096, 'x'));
      await store.storage.log.roll();
    }
    const before = store.storage.log.localBytes();
    await store.storage.maintain();
    expect(store.storage.log.localBytes()).toBeLessThan(before / 3);
    for (let key = 0; key < 200; key++) {
      expect((await store.text(`key-${key}`))?.startsWith(`4:${key}:`)).toBe(true);
    }
    await store.close();
    const again = await TestStore.open(folder.path);
    for (let key = 0; key < 200; key++) {
      expect((await again.text(`key-${key}`))?.startsWith(`4:${key}:`)).toBe(true);
    }
    await again.close();
  });

  test('a deleted key stays deleted while an older record of it lies in a segment that is not compacted', async () => {
    const store = await TestStore.open(folder.path);
    store.set('victim', 'old');
    for (let key = 0; key < 50; key++) store.set(`cold-${key}`, 'x'.repeat(1000));
    await store.storage.log.roll();
    store.delete('victim');
    for (let key = 0; key < 50; key++) store.set('noise', 'y'.repeat(1000));
    await store.storage.log.roll();
    for (let key = 0; key < 50; key++) store.set('noise', 'z'.repeat(1000));
    await store.storage.log.roll();
    await store.storage.maintain();
    expect(store.storage.compactor.statistics.tombstonesCarried).toBeGreaterThan(0);
    await store.close();
    const again = await TestStore.open(folder.path);
    expect(await again.text('victim')).toBeUndefined();
    expect(await again.text('cold-7')).toBe('x'.repeat(1000));
    await again.close();
  });

  test('a count of live bytes that has drifted from the index does not stop compaction', async () => {
    const store = await TestStore.open(folder.path);
    for (let key = 0; key < 20; key++) store.set(`key-${key}`, 'old'.repeat(500));
    const first = store.storage.log.active!;
    await store.storage.log.roll();
    for (let key = 0; key < 20; key++) store.set(`key-${key}`, 'new');
    first.liveBytes += 100;
    await store.storage.maintain();
    expect(store.storage.log.segments.has(first.id)).toBe(false);
    for (let key = 0; key < 20; key++) expect(await store.text(`key-${key}`)).toBe('new');
    await store.close();
  });

  test('many small segments, as restarts leave them, become one', async () => {
    for (let round = 0; round < 12; round++) {
      const store = await TestStore.open(folder.path);
      store.set(`key-${round}`, `value-${round}`);
      await store.close();
    }
    const store = await TestStore.open(folder.path);
    await store.storage.maintain();
    expect(store.storage.log.segments.size).toBeLessThan(8);
    for (let round = 0; round < 12; round++) expect(await store.text(`key-${round}`)).toBe(`value-${round}`);
    await store.close();
  });

  test('a merged segment is as old as the youngest that went into it, and keeps its age over a restart', async () => {
    const hourMs = 3_600_000;
    let nowMs = Date.now();
    const clock = { ...systemClock, now: () => nowMs };
    const store = await TestStore.open(folder.path, { clock });
    const { log } = store.storage;
    for (let round = 0; round < 4; round++) {
      for (let key = 0; key < 20; key++) store.set(`key-${key}`, `${round}`.repeat(1_000));
      store.set(`kept-${round}`, 'value');
      nowMs += hourMs;
      await log.roll();
    }
    const before = new Map([...log.segments.values()].map(({ id, createdAtMs }) => [id, createdAtMs]));
    nowMs += 100 * hourMs;
    await store.storage.maintain();
    const merged = [...log.segments.values()].filter(({ id }) => !before.has(id));
    const gone = [...before].filter(([id]) => !log.segments.has(id));
    expect(merged).toHaveLength(1);
    expect(gone.length).toBeGreaterThan(1);
    const { id, createdAtMs } = merged[0]!;
    expect(createdAtMs).toBe(Math.max(...gone.map(([, age]) => age)));
    await store.close();
    const again = await TestStore.open(folder.path, { clock });
    expect(again.storage.log.segments.get(id)?.createdAtMs).toBe(createdAtMs);
    await again.close();
  });

  test('a tombstone goes as soon as no segment can hold an older record of its key', async () => {
    const store = await TestStore.open(folder.path);
    for (let key = 0; key < 50; key++) store.set(`cold-${key}`, 'x'.repeat(1000));
    await store.storage.log.roll();
    store.set('short', 'lived');
    store.delete('short');
    await store.storage.log.roll();
    await store.storage.maintain();
    expect(store.storage.compactor.statistics.tombstonesDropped).toBe(1);
    expect(store.storage.compactor.statistics.tombstonesCarried).toBe(0);
    await store.close();
  });
});

describe('eviction without Blob', () => {
  test('the oldest keys go, counted, and the disk stays within its size', async () => {
    const MiB = 1024 * 1024;
    const eviction = { ...roomyEviction, diskBytes: 8 * MiB };
    const store = await TestStore.open(folder.path, { eviction, segmentBytes: MiB, fullWaitMs: 5000 });
    const value = 'v'.repeat(64 * 1024);
    for (let key = 0; key < 400; key++) {
      await store.storage.admit(value.length);
      store.set(`key-${key}`, value);
    }
    await store.storage.maintain();
    expect(store.storage.log.localBytes()).toBeLessThanOrEqual(eviction.diskBytes);
    expect(store.index.evicted.length).toBeGreaterThan(200);
    expect(store.storage.evictor.statistics.keys.disk_threshold).toBe(store.index.evicted.length);
    expect(await store.text('key-399')).toBe(value);
    expect(await store.text('key-0')).toBeUndefined();
    await store.close();
  });

  test('keys in RAM get a second chance, and where all of them are, room still comes', async () => {
    const eviction = { ...roomyEviction, diskBytes: 8 * 1024 * 1024 };
    const segmentBytes = 1024 * 1024;
    const store = await TestStore.open(folder.path, { eviction, segmentBytes, fullWaitMs: 5000 });
    const value = 'v'.repeat(64 * 1024);
    const fill = async (from: number, to: number): Promise<void> => {
      for (let key = from; key < to; key++) {
        await store.storage.admit(value.length);
        store.set(`key-${key}`, value);
      }
    };
    const { statistics } = store.storage.evictor;
    store.index.isInMemory = (key) => key === 'key-0';
    await fill(0, 150);
    expect(await store.text('key-0')).toBe(value);
    expect(await store.text('key-1')).toBeUndefined();
    expect(statistics.secondChances).toBe(1);
    store.index.isInMemory = () => true;
    const evictedBefore = store.index.evicted.length;
    await fill(150, 550);
    expect(statistics.secondChances).toBeGreaterThan(50);
    expect(store.index.evicted.length - evictedBefore).toBeGreaterThanOrEqual(statistics.secondChances - 1);
    // What eviction itself writes on its way may come on top for a moment: it cannot wait for the room that it makes.
    expect(store.storage.log.localBytes()).toBeLessThanOrEqual(eviction.diskBytes + segmentBytes);
    await store.storage.maintain();
    expect(store.storage.log.localBytes()).toBeLessThanOrEqual(eviction.diskBytes);
    await store.close();
  });
});

test('a second process is refused the directory, with what to do', async () => {
  const store = await TestStore.open(folder.path);
  await expect(TestStore.open(folder.path)).rejects.toThrow(/used by another process/);
  await store.close();
  const next = await TestStore.open(folder.path);
  await next.close();
});
