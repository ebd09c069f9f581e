import { describe, expect, it } from 'vitest';
import { evictedKeysMax } from '../../limits.ts';
import { keyHash } from '../keyspace/key-hash.ts';
import { EvictedKeys } from './evicted-keys.ts';

describe('EvictedKeys', () => {
  it('knows a key that was added until it is taken, once for every time that it was added', () => {
    const keys = new EvictedKeys();
    const hash = keyHash('key');
    expect(keys.take(hash)).toBe(false);
    keys.add(hash);
    expect(keys.take(keyHash('other'))).toBe(false);
    expect([keys.take(hash), keys.take(hash)]).toEqual([true, false]);
    keys.add(hash);
    keys.add(hash);
    expect([keys.take(hash), keys.take(hash), keys.take(hash)]).toEqual([true, true, false]);
  });

  it('knows nearly all of half as many as it has room for, the newest of any number, and hardly one that it never had', () => {
    const keys = new EvictedKeys();
    const half = evictedKeysMax / 2;
    for (let number = 0; number < 10 * half; number++) keys.add(keyHash(`key-${number}`));
    const known = (prefix: string, from: number, to: number): number => {
      let count = 0;
      for (let number = from; number < to; number++) if (keys.take(keyHash(`${prefix}-${number}`))) count += 1;
      return count;
    };
    expect(known('new', 0, half)).toBeLessThan(half / 1_000);
    expect(known('key', 9.5 * half, 10 * half)).toBeGreaterThan((half / 2) * 0.99);
    expect(known('key', 9 * half, 9.5 * half)).toBeGreaterThan((half / 2) * 0.9);
    expect(known('key', 0, half)).toBeLessThan(half / 100);
  });

  it('takes every hash, the least and the greatest', () => {
    const keys = new EvictedKeys();
    for (const hash of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      expect(keys.take(hash)).toBe(false);
      keys.add(hash);
      expect(keys.take(hash)).toBe(true);
    }
  });
});
