import { expect, test } from 'vitest';
import { commandTable } from '../commands/table.ts';
import { keyHashesOf, keyOrderHash } from './key-hashes.ts';

test('a key has one hash, and keys that differ at their ends others', () => {
  const long = Buffer.alloc(1_000, 'x');
  const other = Buffer.from(long);
  other[999] = 1;
  expect(keyOrderHash(Buffer.from('key'))).toBe(keyOrderHash(Buffer.from('key')));
  expect(keyOrderHash(long)).not.toBe(keyOrderHash(other));
});

test('a command with one key has its hash, one with several theirs, and one without the key that it asks for none', () => {
  const hashes = (name: string, ...args: string[]): unknown =>
    keyHashesOf(commandTable.get(name)!, { name, args: args.map((text) => Buffer.from(text)) });
  const [a, b] = [keyOrderHash(Buffer.from('a')), keyOrderHash(Buffer.from('b'))];
  expect(hashes('SET', 'a', 'value')).toBe(a);
  expect(hashes('MSET', 'a', '1', 'b', '2')).toEqual([a, b]);
  expect(hashes('OBJECT', 'HELP')).toEqual([]);
});
