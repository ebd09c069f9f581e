import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { roomyEviction, temporaryFolder, TestStore } from '../../testing/store.ts';
import type { Clock } from '../clock.ts';
import type { Entry } from '../journal.ts';
import { deltaReads } from './delta-reads.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: TestStore;
beforeEach(async () => {
  folder = temporaryFolder('chains');
  store = await TestStore.open(folder.path);
});
afterEach(async () => {
  await store.close();
  folder.remove();
});

const entryOf = (key: string): Entry => store.index.find(0, key)!;

/** Flips a bit of the segment's file in the middle of a record. */
function damage(segment: number, offset: number, recordBytes: number): void {
  const segments = join(folder.path, 'segments');
  const name = readdirSync(segments).find((each) => each.endsWith('.log') && Number.parseInt(each, 10) === segment)!;
  const bytes = readFileSync(join(segments, name));
  bytes[offset + recordBytes - 1]! ^= 1;
  writeFileSync(join(segments, name), bytes);
}

async function crashAndOpen(between: () => void = () => undefined): Promise<void> {
  await store.storage.flush('disk');
  await store.crash();
  between();
  store = await TestStore.open(folder.path);
}

describe('a value with deltas', () => {
  test('is written in small, read as one, and becomes one record by folding', async () => {
    store.set('large', 'x'.repeat(100_000));
    const before = store.storage.log.localBytes();
    for (let count = 0; count < 50; count++) store.extend('large', `+${count}`, 0);
    expect(store.storage.log.localBytes() - before).toBeLessThan(50 * 100);
    const whole = await store.text('large');
    expect(whole!.endsWith('+47+48+49')).toBe(true);
    expect(entryOf('large').chain!.deltas).toHaveLength(50);
    store.storage.fold(entryOf('large'));
    await expect.poll(() => entryOf('large').chain).toBeUndefined();
    expect(await store.text('large')).toBe(whole);
    await crashAndOpen();
    expect(await store.text('large')).toBe(whole);
    expect(entryOf('large').chain).toBeUndefined();
  });

  test('of which deltas come while it is folded keeps them behind the new base', async () => {
    store.set('key', 'base');
    store.extend('key', '1', 0);
    store.storage.fold(entryOf('key'));
    store.extend('key', '2', 0);
    store.extend('key', '3', 0);
    await expect.poll(() => entryOf('key').chain?.deltas.length).toBe(2);
    expect(await store.text('key')).toBe('base123');
    await crashAndOpen();
    expect(await store.text('key')).toBe('base123');
    expect(entryOf('key').chain!.deltas).toHaveLength(2);
  });

  test('a damaged delta costs what came after it, is reported, and what follows then is not mixed up with it', async () => {
    store.set('key', 'base');
    for (const bytes of ['1', '2', '3', '4']) store.extend('key', bytes, 0);
    const damaged = entryOf('key').chain!.deltas[2]!;
    await crashAndOpen(() => damage(damaged.segment, damaged.offset, damaged.recordBytes));
    expect(await store.text('key')).toBe('base12');
    expect(store.storage.report).toMatchObject({ lostRecords: 1, damages: [{ segment: damaged.segment }] });
    store.extend('key', 'x', 0);
    store.extend('key', 'y', 0);
    await crashAndOpen();
    expect(await store.text('key')).toBe('base12xy');
    expect(store.storage.report!.lostRecords).toBe(0);
  });

  test('without its base is a miss, or what the key was before, and reported', async () => {
    for (const key of ['gone', 'older']) {
      if (key === 'older') store.set(key, 'older');
      store.set(key, 'base');
      store.extend(key, '1', 0);
    }
    const places = ['gone', 'older'].map((key) => entryOf(key));
    await crashAndOpen(() => {
      for (const { segment, offset, recordBytes } of places) damage(segment, offset, recordBytes);
    });
    expect(await store.text('gone')).toBeUndefined();
    expect(await store.text('older')).toBe('older');
    expect(store.storage.report!.lostRecords).toBe(2);
  });

  test('that cannot be read whole is an error, never a value without one of its changes', async () => {
    store.set('key', 'base');
    store.extend('key', '1', 0);
    store.extend('key', '2', 0);
    await store.storage.log.roll();
    const { segment, offset, recordBytes } = entryOf('key').chain!.deltas[0]!;
    damage(segment, offset, recordBytes);
    await expect(store.text('key')).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('in parts and with deltas comes back whole after compaction and a crash', async () => {
    const large = 'p'.repeat(9 * 1024 * 1024);
    store.set('key', large);
    store.extend('key', 'tail', 0);
    store.set('other', 'x');
    await crashAndOpen();
    expect(await store.text('key')).toBe(`${large}tail`);
    await store.storage.log.roll();
    await store.storage.compactor.compact([...store.storage.log.segments.values()].filter(({ isIdle }) => isIdle));
    expect(await store.text('key')).toBe(`${large}tail`);
    await crashAndOpen();
    expect(await store.text('key')).toBe(`${large}tail`);
  });
});

describe('expiry', () => {
  test('that a delta has put off or set counts after a restart, whatever its base says', async () => {
    let nowMs = 1_000_000;
    const clock: Clock = { now: () => nowMs, after: () => () => undefined };
    await store.close();
    store = await TestStore.open(folder.path, { clock });
    store.set('longer', 'value', nowMs + 1_000);
    store.extend('longer', '', nowMs + 10_000);
    store.set('for ever', 'value', nowMs + 1_000);
    store.extend('for ever', '', 0);
    store.set('shorter', 'value', 0);
    store.extend('shorter', '', nowMs + 2_000);
    await store.close();
    nowMs += 5_000;
    store = await TestStore.open(folder.path, { clock });
    expect(await store.text('longer')).toBe('value');
    expect(await store.text('for ever')).toBe('value');
    expect(store.index.find(0, 'shorter')).toBeUndefined();
    expect(store.storage.report!.lostRecords).toBe(0);
  });
});

describe('compaction and eviction', () => {
  test('a segment with the base, or with deltas alone, goes without harm, also while the key is written', async () => {
    store.set('key', 'base');
    store.set('garbage', 'g'.repeat(10_000));
    await store.storage.log.roll();
    store.extend('key', '1', 0);
    store.set('garbage', 'h'.repeat(10_000));
    await store.storage.log.roll();
    store.delete('garbage');
    const compacting = store.storage.compactor.run();
    for (let count = 2; count < 6; count++) {
      store.extend('key', String(count), 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await compacting;
    while (await store.storage.compactor.run());
    expect(await store.text('key')).toBe('base12345');
    await crashAndOpen();
    expect(await store.text('key')).toBe('base12345');
    expect(store.storage.report!.lostRecords).toBe(0);
  });

  test('a first delta that comes while its base is compacted finds it at the new place', async () => {
    store.set('key', 'base');
    store.set('garbage', 'g'.repeat(10_000));
    await store.storage.log.roll();
    store.delete('garbage');
    const compacting = store.storage.compactor.run();
    store.extend('key', '1', 0);
    await compacting;
    expect(await store.text('key')).toBe('base1');
    await crashAndOpen();
    expect(await store.text('key')).toBe('base1');
  });

  test('by age of segments a value is as young as its last delta; with the last one it goes as a whole, for good', async () => {
    await store.close();
    store = await TestStore.open(folder.path, {
      eviction: { ...roomyEviction, diskBytes: 40_000, diskUsageThreshold: 50 },
      segmentBytes: 8_000,
    });
    store.set('young', 'base');
    store.set('old', 'base');
    store.extend('old', '1', 0);
    for (let count = 0; count < 4; count++) {
      store.set(`filler ${count}`, 'f'.repeat(4_000));
      await store.storage.log.roll();
    }
    store.extend('young', '1', 0);
    for (let count = 0; count < 4; count++) {
      store.set(`more ${count}`, 'f'.repeat(2_000));
      await store.storage.log.roll();
    }
    await store.storage.maintain();
    expect(store.index.evicted).toContain('old');
    expect(await store.text('young')).toBe('base1');
    await crashAndOpen();
    expect(await store.text('old')).toBeUndefined();
    expect(await store.text('young')).toBe('base1');
    expect(store.storage.report!.lostRecords).toBe(0);
  });
});

test('deltas that lie close together are read at once, others alone', () => {
  const delta = (segment: number, offset: number): Parameters<typeof deltaReads>[0][number] => ({
    sequence: offset,
    segment,
    offset,
    recordBytes: 100,
    bodyBytes: 10,
  });
  const reads = deltaReads([delta(1, 0), delta(1, 500), delta(1, 500_000), delta(2, 500_100), delta(2, 0)]);
  expect(reads.map(({ segment, from, to, deltas }) => [segment, from, to, deltas.length])).toEqual([
    [1, 0, 600, 2],
    [1, 500_000, 500_100, 1],
    [2, 500_100, 500_200, 1],
    [2, 0, 100, 1],
  ]);
});
