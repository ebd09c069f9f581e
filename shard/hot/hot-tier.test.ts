import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hotEvictionsPerStepMax } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import type { Entry } from '../journal.ts';
import { ValueMemory } from '../value-memory.ts';
import { HotTier } from './hot-tier.ts';
import { largeCopyOverheadBytes } from './large-copy.ts';

const MiB = 1024 * 1024;

function put(hot: HotTier, key: string, bodyBytes: number, metaBytes = -1): Entry {
  const entry = entryOf(key, { slot: 0, bodyBytes });
  const fill = key.charCodeAt(0);
  hot.put(entry, {
    meta: metaBytes < 0 ? undefined : Buffer.alloc(metaBytes, fill + 1),
    body: Buffer.alloc(bodyBytes, fill),
  });
  return entry;
}

describe('HotTier', () => {
  it.each([
    [0, -1],
    [0, 0],
    [1, 0],
    [100, 300],
    [4_000, 96],
    [4_000, 97],
    [4_097, -1],
    [MiB, 512],
  ])('gives back a body of %i bytes and a meta of %i', (bodyBytes, metaBytes) => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    const entry = put(hot, 'a', bodyBytes, metaBytes);
    const fill = 'a'.charCodeAt(0);
    expect(hot.get(entry)).toEqual({
      type: 0,
      meta: metaBytes < 0 ? undefined : Buffer.alloc(metaBytes, fill + 1),
      body: Buffer.alloc(bodyBytes, fill),
    });
    hot.drop(entry);
    expect(hot.get(entry)).toBeUndefined();
    expect(hot.bytes).toBe(0);
  });

  it('gives small values away as copies, so that a later value in their place does not show', () => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    const first = put(hot, 'a', 100);
    const { body } = hot.get(first)!;
    hot.drop(first);
    put(hot, 'b', 100);
    expect(body).toEqual(Buffer.alloc(100, 'a'));
  });

  it('puts a value where the one before it was if that fits, which is a use of it, and elsewhere if not', () => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    let previous = put(hot, 'a', 100);
    put(hot, 'other', 100);
    const before = hot.bytes;
    for (const [bodyBytes, metaBytes, fits] of [
      [98, -1, true] as const,
      [90, 8, true] as const,
      [5_000, 0, false] as const,
      [3, 0, false] as const,
    ]) {
      const entry = entryOf('a', { slot: 0, bodyBytes });
      const value = {
        meta: metaBytes < 0 ? undefined : Buffer.alloc(metaBytes, 'm'),
        body: Buffer.alloc(bodyBytes, 'b'),
      };
      hot.put(entry, value, previous);
      expect([hot.has(previous), hot.has(entry), hot.size]).toEqual([false, true, 2]);
      if (fits) expect(hot.bytes).toBe(before);
      if (fits) expect([...hot.evictable()].map(({ key }) => key)).toEqual(['other', 'a']);
      expect(hot.peek(entry)).toEqual({ type: 0, ...value });
      previous = entry;
    }
  });

  it('keeps no more memory alive than it accounts for when values come as slices of larger chunks', () => {
    const hot = new HotTier({ limitBytes: 64 * MiB });
    hot.put(entryOf('first', { slot: 0, bodyBytes: 10_000 }), { meta: undefined, body: Buffer.alloc(10_000) });
    const before = hot.bytes;
    for (let index = 0; index < 20; index++) {
      const chunk = Buffer.allocUnsafeSlow(MiB);
      hot.put(entryOf(`${index}`, { slot: 0, bodyBytes: 10_000 }), {
        meta: undefined,
        body: chunk.subarray(0, 10_000),
      });
    }
    expect(hot.bytes - before).toBe(20 * (10_000 + largeCopyOverheadBytes));
  });

  it('drops what was used once first, in one order over all sizes', () => {
    const hot = new HotTier({ limitBytes: 10 * MiB });
    const evicted: string[] = [];
    hot.onEvict = (entry) => evicted.push(entry.key);
    const used = put(hot, 'used', 100);
    put(hot, 'small', 100);
    put(hot, 'large', MiB);
    put(hot, 'small too', 100);
    hot.get(used);
    for (let index = 0; index < 10; index++) put(hot, `new${index}`, MiB);
    expect(evicted.slice(0, 4)).toEqual(['small', 'large', 'small too', 'new0']);
    expect(hot.has(used)).toBe(true);
    expect(hot.evictions).toBe(evicted.length);
  });

  it('knows every object while others go and the places of the rest are moved together', () => {
    const hot = new HotTier({ limitBytes: 64 * MiB });
    const kept = Array.from({ length: 20_000 }, (_, number) => {
      const entry = entryOf(`${number}`, { slot: 0 });
      const object = { memoryBytes: 10, encode: () => Buffer.from(`${number}`) };
      hot.keep(entry, object);
      return { entry, object };
    });
    const full = hot.bytes;
    const rest = kept.filter(({ entry }, number) => {
      if (number % 10 === 0) return true;
      hot.drop(entry);
      return false;
    });
    expect(hot.bytes).toBeLessThan(full / 5);
    for (const { entry, object } of rest) expect(hot.object(entry)).toBe(object);
    expect(hot.size).toBe(rest.length);
  });

  it('does not let a value above the limit push out everything else', () => {
    const hot = new HotTier({ limitBytes: 2 * MiB });
    const evicted: string[] = [];
    hot.onEvict = (entry) => evicted.push(entry.key);
    const small = put(hot, 'small', 100);
    const huge = put(hot, 'huge', 3 * MiB);
    expect([hot.has(small), hot.has(huge)]).toEqual([true, false]);
    expect(evicted).toEqual(['huge']);
  });

  it('stays within its limit, counts every copy and gives back what was put, whatever comes', () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'put', 'overwrite', 'overwrite', 'get', 'get', 'drop', 'limit'),
      key: fc.integer({ min: 0, max: 30 }),
      bodyBytes: fc.constantFrom(0, 10, 100, 3_000, 5_000, 100_000, 700_000),
      limitMiB: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const hot = new HotTier({ limitBytes: 2 * MiB });
        const live = new Map<number, Entry>();
        hot.onEvict = (entry) => {
          expect(live.get(Number(entry.key))).toBe(entry);
          live.delete(Number(entry.key));
        };
        for (const { kind, key, bodyBytes, limitMiB } of steps) {
          const known = live.get(key);
          if (kind === 'limit') {
            hot.limitBytes = limitMiB * MiB;
          } else if (kind === 'put' || kind === 'overwrite') {
            if (known && kind === 'put') hot.drop(known);
            const entry = entryOf(`${key}`, { slot: 0, bodyBytes });
            live.set(key, entry);
            hot.put(entry, { meta: undefined, body: Buffer.alloc(bodyBytes, key) }, known);
          } else if (known !== undefined) {
            expect(hot.get(known)!.body.equals(Buffer.alloc(known.bodyBytes, key))).toBe(true);
            if (kind === 'drop') {
              hot.drop(known);
              live.delete(key);
            }
          }
          expect(new Set(hot.evictable())).toEqual(new Set(live.values()));
          expect(hot.size).toBe(live.size);
          expect(hot.bytes).toBeLessThanOrEqual(hot.limitBytes);
        }
        for (const entry of live.values()) hot.drop(entry);
        expect(hot.bytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('takes a large shrink in slices of bounded work', () => {
    const deferred: (() => void)[] = [];
    const hot = new HotTier({ limitBytes: 64 * MiB, defer: (callback) => void deferred.push(callback) });
    let evicted = 0;
    hot.onEvict = () => {
      evicted += 1;
    };
    for (let index = 0; index < 100_000; index++) put(hot, `${index}`, 100);
    hot.limitBytes = 0;
    let slices = 0;
    for (;;) {
      expect(evicted).toBeLessThanOrEqual(hotEvictionsPerStepMax);
      evicted = 0;
      const next = deferred.shift();
      if (next === undefined) break;
      next();
      slices += 1;
    }
    expect(hot.size).toBe(0);
    expect(hot.bytes).toBe(0);
    expect(slices).toBeGreaterThanOrEqual(Math.floor(100_000 / hotEvictionsPerStepMax));
  });
});

describe('the memory of large values', () => {
  const memory = new ValueMemory({ freeBytesMax: 64 * MiB });

  /** A large value of a command that says nobody else has it. */
  function putSole(hot: HotTier, key: string, isSole = true): { entry: Entry; body: Buffer } {
    const entry = entryOf(key, { slot: 0, bodyBytes: MiB });
    const body = memory.take(MiB);
    hot.put(entry, { meta: undefined, body }, entry, isSole);
    return { entry, body };
  }

  it('is taken again when its copy is dropped, overwritten or evicted', () => {
    const hot = new HotTier({ limitBytes: 2.5 * MiB });
    const dropped = putSole(hot, 'a');
    hot.drop(dropped.entry);
    const overwritten = putSole(hot, 'b');
    hot.put(overwritten.entry, { meta: undefined, body: memory.take(MiB) });
    const evicted = putSole(hot, 'c');
    putSole(hot, 'd');
    putSole(hot, 'e');
    expect([dropped, overwritten, evicted].map(({ body }) => body.byteLength)).toEqual([0, 0, 0]);
  });

  it.each([
    ['read', (hot: HotTier, entry: Entry) => hot.get(entry)],
    ['peeked at', (hot: HotTier, entry: Entry) => hot.peek(entry)],
    [
      'put under another key',
      (hot: HotTier, entry: Entry) => hot.put(entryOf('z', { slot: 0, bodyBytes: MiB }), hot.peek(entry)!),
    ],
  ])('is the collector’s once it was %s', (_, share) => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    const { entry, body } = putSole(hot, 'a');
    share(hot, entry);
    hot.drop(entry);
    expect(body.byteLength).toBe(MiB);
  });

  it('is the collector’s where a command may still have it, and where two copies share it', () => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    const kept = putSole(hot, 'a', false);
    hot.drop(kept.entry);
    const { entry, body } = putSole(hot, 'b');
    const other = entryOf('c', { slot: 0, bodyBytes: MiB });
    hot.put(other, { meta: undefined, body }, other, true);
    hot.drop(entry);
    hot.drop(other);
    expect([kept.body.byteLength, body.byteLength]).toEqual([MiB, MiB]);
  });

  it('goes with a copy that moves to another entry', () => {
    const hot = new HotTier({ limitBytes: 8 * MiB });
    const { entry, body } = putSole(hot, 'a');
    const next = entryOf('a', { slot: 0, bodyBytes: MiB });
    hot.move(entry, next);
    hot.drop(entry);
    expect(body.byteLength).toBe(MiB);
    hot.drop(next);
    expect(body.byteLength).toBe(0);
  });
});
