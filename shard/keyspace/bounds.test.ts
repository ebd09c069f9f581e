/** Bounds of the whole: a million keys without a long step, and an index that stays within its share of memory. */
import { describe, expect, it } from 'vitest';
import { blockKey } from '../../commands/block-key.ts';
import { libraryContext } from '../../commands/command.ts';
import { KvcacheError } from '../../errors.ts';
import { expiryTickMs, expiryWorkPerTurnMax, indexLeafEntriesMax } from '../../limits.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { slotOf } from '../../topology/slot.ts';
import { hashEnd } from './slot-map.ts';

const MiB = 1024 * 1024;

describe('an engine with a million keys', () => {
  it('keeps every map small, whether the keys share a slot or not', () => {
    const shard = new TestShard({ withJournal: false, hotBytes: 2_048 * MiB });
    const context = libraryContext(600_000);
    const value = Buffer.from('v');
    const set = (key: string): unknown =>
      shard.engine.execute({ name: 'SET', args: [Buffer.from(key), value] }, context);
    for (let index = 0; index < 700_000; index++) set(`key:${index}`);
    for (let index = 0; index < 300_000; index++) set(`{tag}:${index}`);
    expect(shard.run('DBSIZE')).toBe(1_000_000);
    let largest = 0;
    for (let slot = 0; slot < 16_384; slot++) {
      for (let from = 0; from < hashEnd;) {
        const run = shard.index.keysBySlot.run(slot, from);
        largest = Math.max(largest, run?.leaf.size ?? 0);
        from = run?.end ?? hashEnd;
      }
    }
    expect(largest).toBeLessThanOrEqual(indexLeafEntriesMax);
  });

  it('expires them a bounded number at a time when all are due at once', () => {
    const shard = new TestShard({ withJournal: false });
    const { clock } = shard;
    const keys = 100_000;
    for (let index = 0; index < keys; index++) shard.run('SET', `${index}`, 'v', 'PX', 1_000);
    clock.advance(1_000 + expiryTickMs);
    let left = shard.index.size;
    expect(left).toBeGreaterThan(0);
    while (left > 0) {
      clock.advance(1);
      const done = left - shard.index.size;
      expect(done).toBeGreaterThan(0);
      expect(done).toBeLessThanOrEqual(expiryWorkPerTurnMax);
      left = shard.index.size;
    }
    expect(shard.engine.stats().expired.byWheel).toBe(keys);
  });
});

describe.each([true, false])('an index at its bound, journal: %s', (withJournal) => {
  const indexBytesMax = 2 * MiB;

  it('evicts a few keys with every write, those without a copy in RAM first', () => {
    const shard = new TestShard({ withJournal, indexBytesMax });
    for (let index = 0; index < 3_000; index++) shard.run('SET', `first:${index}`, 'v');
    if (withJournal) shard.chill();
    for (let index = 0; index < 20_000; index++) {
      const before = shard.index.size;
      shard.run('SET', `then:${index}`, 'v');
      expect(shard.index.size).toBeGreaterThanOrEqual(before - 1);
      expect(shard.index.bytes).toBeLessThan(indexBytesMax + 1_000);
    }
    expect(shard.run('EXISTS', 'then:19999')).toBe(1);
    expect(shard.run('EXISTS', ...Array.from({ length: 3_000 }, (_, index) => `first:${index}`))).toBeLessThan(30);
    expect(shard.engine.stats().evictions.ram).toBe(23_000 - shard.index.size);
  });

  it('counts blocks as keys', () => {
    const shard = new TestShard({ withJournal, indexBytesMax });
    const digest = Buffer.alloc(20);
    for (let index = 0; index < 10_000; index++) {
      digest.writeUInt32BE(index);
      shard.run('BLOCK.PUT', blockKey(digest, 1n, 0n), 'm', 'b');
    }
    expect(shard.index.bytes).toBeLessThan(indexBytesMax + 1_000);
    expect(shard.index.blocks).toBeGreaterThan(5_000);
  });
});

it('shrinks by itself to its bound when recovery made an index beyond it, but not while the log is full', () => {
  const indexBytesMax = MiB / 2;
  const shard = new TestShard({ indexBytesMax });
  for (let index = 0; index < 5_000; index++) {
    const key = Buffer.from(`${index}`);
    const body = Buffer.from('v');
    const { entries } = shard.journal.append([{ space: 0, key, slot: slotOf(key), expireAtMs: 0, body }]);
    shard.index.install(entries[0]!);
  }
  shard.journal.isFull = true;
  shard.clock.advance(10_000);
  expect(shard.index.size).toBe(5_000);
  shard.journal.isFull = false;
  shard.clock.advance(10_000);
  expect(shard.index.bytes).toBeLessThanOrEqual(indexBytesMax);
  expect(shard.journal.live.size).toBe(shard.index.size);
});

it('evicts nothing, and goes on, when the log admits the deletions and then has no room for them', () => {
  const shard = new TestShard({ indexBytesMax: MiB / 2 });
  for (let index = 0; index < 5_000; index++) {
    const key = Buffer.from(`${index}`);
    const { entries } = shard.journal.append([{ space: 0, key, slot: slotOf(key), expireAtMs: 0, body: key }]);
    shard.index.install(entries[0]!);
  }
  const append = shard.journal.append.bind(shard.journal);
  shard.journal.append = () => {
    throw new KvcacheError('DISKFULL', 'a new segment cannot be made');
  };
  shard.clock.advance(1_000);
  expect(shard.index.size).toBe(5_000);
  shard.journal.append = append;
  shard.clock.advance(10_000);
  expect(shard.index.bytes).toBeLessThanOrEqual(MiB / 2);
});

it('leaves deletions in the log for keys evicted from the index, so that no restart brings them back', () => {
  const shard = new TestShard({ indexBytesMax: MiB / 2 });
  for (let index = 0; index < 5_000; index++) shard.run('SET', `${index}`, 'v');
  const deleted = new Set(
    shard.journal.groups.flat().flatMap(({ key, body }) => (body === undefined ? [key.toString()] : [])),
  );
  const live = new Set([...shard.journal.live].map(({ key }) => key));
  expect(live.size).toBe(shard.index.size);
  for (let index = 0; index < 5_000; index++) expect(deleted.has(`${index}`)).toBe(!live.has(`${index}`));
});
