import { expect, test } from 'vitest';
import { commandTable } from '../commands/table.ts';
import { kindsOfCommands } from './command-kinds.ts';

test('every command that clients give is counted; what is asked about processes, or to show something, is not', () => {
  const uncounted = [...commandTable.keys()].filter((name) => !kindsOfCommands.has(name));
  expect(uncounted.toSorted()).toEqual([
    'BLOCK.INFO',
    'FLUSH',
    'KEY.INFO',
    'SETTINGS.GET',
    'SETTINGS.SET',
    'SHARDINFO',
  ]);
});

test('commands on one key are reads or writes by the command table', () => {
  const kinds = (...names: string[]): (string | undefined)[] => names.map((name) => kindsOfCommands.get(name));
  expect(kinds('SETEX', 'APPEND', 'LPUSH', 'ZADD', 'EXPIRE', 'VALUE.SET', 'VERSION.PUT', 'LOCK')).toEqual(
    Array.from({ length: 8 }, () => 'set'),
  );
  expect(kinds('GETRANGE', 'HGETALL', 'SISMEMBER', 'TTL', 'GETDEL', 'VALUE.GET', 'VERSION.GET')).toEqual(
    Array.from({ length: 7 }, () => 'get'),
  );
  expect(kinds('EXISTS', 'RENAME', 'SMOVE', 'ZUNION', 'KEYS', 'FLUSHALL')).toEqual(
    Array.from({ length: 6 }, () => 'other'),
  );
});
