import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyOrder, type Turn } from './key-order.ts';

interface Named extends Turn {
  readonly name: number;
}

function turn(name: number, keys: Turn['keys'], writes: boolean): Named {
  return { name, keys, writes, waitsFor: 0, followers: undefined, uses: undefined };
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

test('a reader waits for a writer behind which other readers wait already, and for none that is done', () => {
  const order = new KeyOrder<Named>();
  const [write, first, second, third] = [turn(1, 1, true), turn(2, 1, false), turn(3, 1, false), turn(4, 1, false)];
  expect([write, first, second].map((each) => order.enter(each))).toEqual([true, false, false]);
  expect(order.leave(write)).toEqual([first, second]);
  expect(order.enter(third)).toBe(true);
});

test('whatever is asked and in which order it is done: nobody begins before those that it must see', () => {
  // Few keys meet often; many share places, and make these more.
  const key = fc.oneof(
    fc.nat(4),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.nat(3).map((n) => n << 28),
  );
  const keys = fc.option(fc.oneof(key, fc.array(key, { minLength: 1, maxLength: 20 })), { freq: 8, nil: undefined });
  const commands = fc.array(fc.record({ keys, writes: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(commands, fc.infiniteStream(fc.nat(1_000)), (all, choices) => {
      const order = new KeyOrder<Named>();
      const turns = all.map((item, name) => turn(name, item.keys, item.writes));
      const done = new Set<Named>();
      const entered: Named[] = [];
      const running: Named[] = [];
      const begin = (): void => {
        const next = turns[entered.length]!;
        entered.push(next);
        if (order.enter(next)) running.push(next);
      };
      while (done.size < turns.length) {
        const choice = choices.next().value!;
        // Some leave before others come.
        if (entered.length < turns.length && (running.length === 0 || choice % 3 > 0)) {
          begin();
          continue;
        }
        const next = running.splice(choice % running.length, 1)[0]!;
        const mustFollow = turns.slice(0, next.name).filter((earlier) => conflicts(earlier, next));
        expect(mustFollow.every((earlier) => done.has(earlier))).toBe(true);
        done.add(next);
        running.push(...order.leave(next));
      }
      // Nobody waits for what has no key of its own, and nobody is left.
      expect(order.enter(turn(-1, undefined, true))).toBe(true);
    }),
  );
});

test('commands that share no key never wait, however many there are', () => {
  const order = new KeyOrder<Named>();
  const turns = Array.from({ length: 1_000 }, (_, name) => turn(name, Math.imul(name, 0x9e37_79b1), true));
  expect(turns.every((each) => order.enter(each))).toBe(true);
});

function keysIn({ keys }: Turn): readonly number[] {
  return typeof keys === 'number' ? [keys] : (keys ?? []);
}

function conflicts(a: Named, b: Named): boolean {
  if (a.keys === undefined || b.keys === undefined) return true;
  return (a.writes || b.writes) && keysIn(a).some((key) => keysIn(b).includes(key));
}
