import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../commands/reply.ts';
import { binaryCursor } from '../../commands/scan-cursor.ts';
import { indexLeafEntriesMax, scanExaminedPerCallMax, scanPageBytesMax } from '../../limits.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import type { LentEntry } from '../journal.ts';
import { scanPage } from './scan.ts';
import { SlotMap } from './slot-map.ts';

/** All keys of a scan in the order in which they come, with `between` called after every page. */
function scan(shard: TestShard, prefix: string, count: number, between: () => void = () => undefined): string[] {
  const keys: string[] = [];
  let cursor = Buffer.alloc(0);
  do {
    const [next, page] = shard.run('PREFIXSCAN', cursor, prefix, count, 'KEYS') as [Buffer<ArrayBuffer>, Buffer[]];
    keys.push(...page.map((key) => key.toString('latin1')));
    cursor = next;
    between();
  } while (cursor.byteLength > 0);
  return keys;
}

const keyName = fc.string({
  unit: fc.constantFrom('a', 'b', '{', '}', '\u00ff', '\u0000'),
  minLength: 1,
  maxLength: 6,
});

describe('PREFIXSCAN', () => {
  it('returns every key with the prefix exactly once while nothing changes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(keyName), keyName, fc.integer({ min: 1, max: 5 }), (names, prefix, count) => {
        const shard = new TestShard({ withJournal: false });
        for (const name of names) shard.run('SET', Buffer.from(name, 'latin1'), 'v');
        for (const wanted of ['', prefix]) {
          const expected = names.filter((name) => name.startsWith(wanted));
          // The helper sends text as UTF-8.
          if (Buffer.from(wanted).byteLength !== wanted.length) continue;
          expect(scan(shard, wanted, count).sort()).toEqual(expected.sort());
        }
      }),
    );
  });

  it('returns exactly once every key that is there throughout, whatever comes and goes meanwhile', () => {
    const change = fc.record({ key: fc.integer({ min: 0, max: 60 }), deletes: fc.boolean() });
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 8 }), { minLength: 1 }), fc.boolean(), (rounds, isTagged) => {
        const shard = new TestShard({ withJournal: false });
        // With a tag all keys share a slot, and their order is that of the hash alone.
        const named = (kind: string, key: number): string => `${isTagged ? '{t}' : ''}${kind}${key}`;
        for (let key = 0; key < 60; key++) shard.run('SET', named('stays', key), 'v');
        let round = 0;
        const keys = scan(shard, '', 5, () => {
          for (const { key, deletes } of rounds[round++ % rounds.length]!) {
            if (deletes) shard.run('DEL', named('goes', key));
            else shard.run('SET', named('goes', key), 'v');
            // Overwriting is no absence.
            if (key < 60) shard.run('SET', named('stays', key), 'w');
          }
        });
        const stayed = keys.filter((key) => key.includes('stays'));
        expect(stayed).toHaveLength(60);
        expect(new Set(stayed).size).toBe(60);
      }),
    );
  });

  it('keeps its place while a slot splits under it', () => {
    const shard = new TestShard({ withJournal: false });
    for (let key = 0; key < 1_500; key++) shard.run('SET', `{t}stays${key}`, 'v');
    let added = 0;
    const keys = scan(shard, '{t}', 400, () => {
      for (const until = added + indexLeafEntriesMax * 2; added < until; added++)
        shard.run('SET', `{t}new${added}`, 'v');
      if (added > 20_000) for (; added > 0; added--) shard.run('DEL', `{t}new${added - 1}`);
    });
    const stayed = keys.filter((key) => key.startsWith('{t}stays'));
    expect(stayed).toHaveLength(1_500);
    expect(new Set(stayed).size).toBe(1_500);
  });

  it('never returns a key that has expired', () => {
    const shard = new TestShard();
    shard.run('SET', 'short', 'v', 'PX', 10);
    shard.run('SET', 'long', 'v');
    shard.clock.set(shard.clock.now() + 10);
    expect(scan(shard, '', 10)).toEqual(['long']);
  });

  it('returns keys and values from RAM and from below, and leaves out what goes meanwhile', async () => {
    const shard = new TestShard();
    shard.run('MSET', 'a', '1', 'b', '2', 'c', '3');
    expect(shard.run('PREFIXSCAN', '', 'a', 10, 'VALUES')).toEqual([
      Buffer.alloc(0),
      [Buffer.from('a'), Buffer.from('1')],
    ]);
    shard.chill();
    shard.journal.holdsReads = true;
    const scanning = shard.begin('PREFIXSCAN', '', '', 10, 'VALUES');
    shard.run('DEL', 'b');
    shard.journal.answerReads();
    const [, pairs] = (await scanning) as [Buffer, Reply[]];
    expect(pairs.map(String).sort()).toEqual(['1', '3', 'a', 'c']);
    // A scan is no sign that a value will be asked for again.
    expect(shard.hot.size).toBe(0);
  });

  it('shows a collection with nil for its value where all is asked for, and not among values', () => {
    const shard = new TestShard();
    shard.run('SET', 'a', '1');
    shard.run('HSET', 'h', 'field', 'value');
    const listed = (what: string): Reply[] => (shard.run('PREFIXSCAN', '', '', 10, what) as [Buffer, Reply[]])[1];
    expect(listed('VALUES').map(String)).toEqual(['a', '1']);
    expect(listed('ALL').map(String).sort()).toEqual(['1', 'a', 'h', 'null']);
    expect(listed('KEYS').map(String).sort()).toEqual(['a', 'h']);
  });

  it('leaves the order of use in RAM as it was', () => {
    const shard = new TestShard();
    const names = Array.from({ length: 50 }, (_, number) => `key-${number}`);
    for (const name of names) shard.run('SET', name, 'v'.repeat(100));
    shard.run('HSET', 'hash', 'field', 'value');
    const order = (): string[] => [...shard.hot.evictable()].map(({ key }) => key);
    shard.run('PREFIXSCAN', '', '', 100, 'VALUES');
    shard.run('SCAN', '0');
    for (const name of ['hash', ...names]) shard.run('OBJECT', 'ENCODING', name);
    expect(order()).toEqual([...names, 'hash']);
    shard.run('GET', 'key-0');
    expect(order().at(-1)).toBe('key-0');
  });

  it('ends a page of values before it holds too many bytes', () => {
    const shard = new TestShard({ hotBytes: 1 << 30, diskThresholdBytes: 1 << 30 });
    for (let key = 0; key < 6; key++) shard.run('SET', `${key}`, Buffer.alloc(scanPageBytesMax / 2 - 1));
    let cursor: Reply = Buffer.alloc(0);
    let pages = 0;
    do {
      const [next, pairs]: Reply[] = shard.run('PREFIXSCAN', cursor as Buffer, '', 100, 'VALUES') as Reply[];
      expect((pairs as Reply[]).length).toBe(4);
      cursor = next!;
      pages += 1;
    } while ((cursor as Buffer).byteLength > 0);
    expect(pages).toBe(3);
  });
});

it('bounds a page of keys by their bytes too', () => {
  const shard = new TestShard({ withJournal: false });
  const count = scanPageBytesMax / (64 * 1024) + 10;
  for (let number = 0; number < count; number++) shard.run('SET', `${number}:`.padEnd(64 * 1024, 'k'), '');
  const [, keys] = shard.run('PREFIXSCAN', '', '', 10_000, 'KEYS') as [Buffer, Buffer[]];
  expect(keys.length).toBe(count - 10);
});

describe('scanPage', () => {
  it('examines a bounded number of keys a page, also when none matches', () => {
    const keys = new SlotMap<LentEntry>(({ key }) => key);
    const total = 250_000;
    for (let index = 0; index < total; index++) {
      keys.set(index % 128, `key:${index}`, entryOf(`key:${index}`, { slot: 0 }));
    }
    let examined = 0;
    let pages = 0;
    let from = binaryCursor.decode(binaryCursor.encode(undefined));
    while (from !== undefined) {
      const request = { prefix: 'none', count: 10, examinedMax: scanExaminedPerCallMax, withValues: false };
      const page = scanPage(keys, { ...request, from, shows: () => true });
      expect(page.examined).toBeLessThanOrEqual(scanExaminedPerCallMax + indexLeafEntriesMax);
      examined += page.examined;
      pages += 1;
      from = page.next;
    }
    expect(examined).toBe(total);
    expect(pages).toBe(3);
  });
});
