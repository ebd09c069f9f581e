import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyOrder, keyOrderHash, type Turn } from './key-order.ts';

interface Named extends Turn {
  readonly name: number;
}

function turn(name: number, keys: readonly number[] | undefined, writes: boolean): Named {
  return { name, keys, writes, waitsFor: 0, followers: undefined };
}

test('commands that share no key begin at once, and readers of one key too', () => {
  const order = new KeyOrder<Named>();
  expect(order.enter(turn(1, [1], true))).toBe(true);
  expect(order.enter(turn(2, [2], true))).toBe(true);
  expect(order.enter(turn(3, [3], false))).toBe(true);
  expect(order.enter(turn(4, [3], false))).toBe(true);
});

test('a reader waits for the writer before it, a writer for the readers before it', () => {
  const order = new KeyOrder<Named>();
  const [write, read, again] = [turn(1, [1], true), turn(2, [1], false), turn(3, [1], true)];
  expect(order.enter(write)).toBe(true);
  expect(order.enter(read)).toBe(false);
  expect(order.enter(again)).toBe(false);
  expect(order.leave(write)).toEqual([read]);
  expect(order.leave(read)).toEqual([again]);
  expect(order.leave(again)).toEqual([]);
});

test('a command about all keys waits for all before it, and all after it wait', () => {
  const order = new KeyOrder<Named>();
  const [first, all, later] = [turn(1, [1], false), turn(2, undefined, false), turn(3, [9], false)];
  expect([order.enter(first), order.enter(all), order.enter(later)]).toEqual([true, false, false]);
  expect(order.leave(first)).toEqual([all]);
  expect(order.leave(all)).toEqual([later]);
});

test('a command that names a key twice does not wait for itself', () => {
  const order = new KeyOrder<Named>();
  const write = turn(1, [1, 1], true);
  expect(order.enter(write)).toBe(true);
  const next = turn(2, [1], false);
  expect(order.enter(next)).toBe(false);
  expect(order.leave(write)).toEqual([next]);
});

test('whatever is asked and in which order it is done: nobody begins before those that it must see', () => {
  const keys = fc.option(fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }), { freq: 8, nil: undefined });
  const commands = fc.array(fc.record({ keys, writes: fc.boolean() }), { maxLength: 30 });
  fc.assert(
    fc.property(commands, fc.infiniteStream(fc.nat(1_000)), (all, choices) => {
      const order = new KeyOrder<Named>();
      const turns = all.map((item, name) => turn(name, item.keys, item.writes));
      const done = new Set<Named>();
      const running = turns.filter((item) => order.enter(item));
      while (running.length > 0) {
        const next = running.splice(choices.next().value! % running.length, 1)[0]!;
        const mustFollow = turns.slice(0, next.name).filter((earlier) => conflicts(earlier, next));
        expect(mustFollow.every((earlier) => done.has(earlier))).toBe(true);
        done.add(next);
        running.push(...order.leave(next));
      }
      expect(done.size).toBe(turns.length);
    }),
  );
});

function conflicts(a: Named, b: Named): boolean {
  if (a.keys === undefined || b.keys === undefined) return true;
  return (a.writes || b.writes) && a.keys.some((key) => b.keys!.includes(key));
}

test('a key has one hash, and keys that differ at their ends others', () => {
  const long = Buffer.alloc(1_000, 'x');
  const other = Buffer.from(long);
  other[999] = 1;
  expect(keyOrderHash(Buffer.from('key'))).toBe(keyOrderHash(Buffer.from('key')));
  expect(keyOrderHash(long)).not.toBe(keyOrderHash(other));
});
