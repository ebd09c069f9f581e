import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestShard } from '../../testing/engine-shard.ts';
import { slotOf } from '../../topology/slot.ts';
import { type Entry, type LentEntry, spaceOfKeys } from '../journal.ts';

function lent(shard: TestShard, key: string): LentEntry | undefined {
  return shard.index.glance(slotOf(Buffer.from(key)), key);
}

function kept(shard: TestShard, key: string): Entry | undefined {
  return shard.index.findInSlot(spaceOfKeys, slotOf(Buffer.from(key)), key);
}

/** What a holder of an entry relies on; compaction aside, which keeps all but the place. */
function stateOf(entry: Entry): unknown {
  const { key, type, sequence, expireAtMs, bodyBytes, segment, offset, recordBytes } = entry;
  return { key, type, sequence, expireAtMs, bodyBytes, segment, offset, recordBytes };
}

describe.each([false, true])('an entry, journal: %s', (withJournal) => {
  it('is written over by the next SET of its key', async () => {
    const shard = new TestShard({ withJournal });
    shard.run('SET', 'key', 'first');
    const entry = lent(shard, 'key');
    shard.run('GET', 'key');
    shard.run('SET', 'key', 'another one');
    expect(lent(shard, 'key')).toBe(entry);
    expect(entry!.bodyBytes).toBe('another one'.length);
    expect(shard.run('GET', 'key')).toEqual(Buffer.from('another one'));
    if (!withJournal) return;
    expect(shard.journal.live.size).toBe(1);
    shard.chill();
    expect(await shard.begin('GET', 'key')).toEqual(Buffer.from('another one'));
  });

  it.each([
    ['a value that is not small', ['SET', 'key', 'v'.repeat(10_000)]],
    ['an expiry', ['SET', 'key', 'value', 'PX', '1000']],
    ['a number', ['INCR', 'key']],
    ['a list', ['RPUSH', 'key', 'value']],
  ])('is another one after %s', (_what, [name, ...args]) => {
    const shard = new TestShard({ withJournal });
    shard.run(name!, ...args);
    const entry = lent(shard, 'key');
    shard.run(name!, ...args);
    expect(lent(shard, 'key')).not.toBe(entry);
  });

  it('stays as it is once somebody has kept it', () => {
    const shard = new TestShard({ withJournal });
    shard.run('SET', 'key', 'first');
    const entry = kept(shard, 'key')!;
    const state = stateOf(entry);
    shard.run('SET', 'key', 'another one');
    expect(stateOf(entry)).toEqual(state);
    expect(kept(shard, 'key')).not.toBe(entry);
  });

  it('stays as it is whatever is done after somebody has kept it', async () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const value = fc.constantFrom('1', '22', 'v'.repeat(5_000));
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant('SET'), key, value) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('KEEP'), key) },
      fc.tuple(fc.constant('SET'), key, value, fc.constant('PX'), fc.constant('50')),
      fc.tuple(fc.constant('MSET'), key, value, key, value),
      fc.tuple(fc.constantFrom('GET', 'DEL', 'INCR', 'PERSIST', 'STRLEN', 'CHILL', 'PASS'), key),
      fc.tuple(fc.constant('APPEND'), key, value),
      fc.tuple(fc.constant('PEXPIRE'), key, fc.constant('70')),
      fc.tuple(fc.constant('PREFIXSCAN'), fc.constant(''), key, fc.constant('10'), fc.constant('VALUES')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const shard = new TestShard({ withJournal });
        const all: { entry: Entry; state: unknown }[] = [];
        for (const [name, ...args] of steps) {
          if (name === 'KEEP') {
            const entry = kept(shard, args[0]);
            if (entry !== undefined) all.push({ entry, state: stateOf(entry) });
          } else if (name === 'CHILL') shard.chill();
          else if (name === 'PASS') shard.clock.advance(30);
          else await shard.begin(name, ...args);
        }
        for (const { entry, state } of all) expect(stateOf(entry)).toEqual(state);
        if (withJournal) expect(shard.journal.live).toEqual(new Set(entriesOf(shard)));
      }),
    );
  });
});

function entriesOf(shard: TestShard): Entry[] {
  return ['a', 'b', 'c'].flatMap((key) => kept(shard, key) ?? []);
}
