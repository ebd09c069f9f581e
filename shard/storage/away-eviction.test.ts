/** Away records and a disk that is too small for them. */
import { expect, test } from 'vitest';
import { roomyEviction, setOf, temporaryFolder, TestStore } from '../../testing/store.ts';

test('away records that fill the disk by themselves are evicted at last, the oldest first', async () => {
  const folder = temporaryFolder('away');
  const store = await TestStore.open(folder.path, {
    segmentBytes: 8_192,
    eviction: { ...roomyEviction, diskBytes: 100_000 },
    compaction: { liveRatio: 0.5, bytesPerSecond: 1e12, segmentBytes: 8_192 },
  });
  for (let number = 0; number < 2_000; number++) {
    const { body: _, ...write } = setOf(`key-${number}`, '');
    store.write([{ ...write, awayBytes: 100 }]);
  }
  await store.storage.maintain();
  expect(store.storage.log.localBytes()).toBeLessThanOrEqual(100_000);
  expect(store.index.find(0, 'key-0')).toBeUndefined();
  expect(store.index.find(0, 'key-1999')).toBeDefined();
  const { count } = store.storage.log.live.away;
  expect(count).toBe(store.index.size);
  await store.close();
  folder.remove();
});
