/** What the engine does in between the steps of eviction, compaction and a start, where a step must look again. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KvcacheError } from '../../errors.ts';
import type { Entry } from '../journal.ts';
import { roomyEviction, temporaryFolder, TestStore } from '../../testing/store.ts';

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = temporaryFolder('races');
});
afterEach(() => folder.remove());

test('a key that is overwritten while its segment is evicted keeps its new value, also after a restart', async () => {
  const eviction = { ...roomyEviction, diskBytes: 100_000, diskUsageThreshold: 50 };
  const store = await TestStore.open(folder.path, { eviction });
  store.set('hot', 'older than all');
  await store.storage.log.roll();
  store.set('key', 'old'.padEnd(60_000, '.'));
  store.set('noise', 'x'.padEnd(60_000, '.'));
  await store.storage.log.roll();
  const holder = store.storage.log.segments.get(store.index.find(0, 'key')!.segment)!;
  // Eviction asks whether a key is hot before it takes it; a command's continuation may run before it goes on.
  store.index.isHot = (entry: Entry) => {
    if (entry.key === 'key' && entry.segment === holder.id) queueMicrotask(() => store.set('key', 'new'));
    return entry.key === 'hot';
  };
  await store.storage.maintain();
  expect(store.storage.log.segments.has(holder.id)).toBe(false);
  expect(await store.text('key')).toBe('new');
  await store.close();
  const again = await TestStore.open(folder.path);
  expect(await again.text('key')).toBe('new');
  await again.close();
});

test('a hot record that cannot be read any more does not keep its segment from being evicted', async () => {
  const eviction = { ...roomyEviction, diskBytes: 100_000, diskUsageThreshold: 50 };
  const store = await TestStore.open(folder.path, { eviction });
  store.set('damaged', 'd'.repeat(60_000));
  const holder = store.storage.log.active!;
  await store.storage.log.roll();
  store.index.isHot = () => true;
  store.storage.reader.read = () => Promise.reject(new KvcacheError('CORRUPT', 'the record cannot be read'));
  await store.storage.maintain();
  expect(store.storage.log.segments.has(holder.id)).toBe(false);
  expect(store.index.find(0, 'damaged')).toBeUndefined();
  await store.close();
});

test('a second process that is refused the directory leaves the files of the first one alone', async () => {
  const store = await TestStore.open(folder.path);
  const unfinished = [`${store.storage.log.hintPathOf(1)}.new`, store.storage.log.pathOf(99)];
  for (const path of unfinished) writeFileSync(path, 'begun');
  await expect(TestStore.open(folder.path)).rejects.toMatchObject({ code: 'LOCKED' });
  for (const path of unfinished) expect(existsSync(path)).toBe(true);
  await store.close();
});
