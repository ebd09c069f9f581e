import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NameTable } from './name-table.ts';
import { commandTable } from './table.ts';

const find = (table: NameTable<{ readonly name: string }>, text: string): string | undefined => {
  const bytes = Buffer.from(`..${text}..`);
  return table.find(bytes, 2, bytes.byteLength - 2)?.name;
};

describe('a table of names', () => {
  test('finds every command by its bytes, wherever they lie', () => {
    const table = new NameTable(commandTable.values(), false);
    for (const name of commandTable.keys()) expect(find(table, name)).toBe(name);
  });

  test('finds a name in any case where it folds it, and in its own where not', () => {
    expect(find(new NameTable(commandTable.values(), true), 'zRangeByScore')).toBe('ZRANGEBYSCORE');
    expect(find(new NameTable(commandTable.values(), false), 'zRangeByScore')).toBeUndefined();
  });

  test('finds nothing for anything else', () => {
    const table = new NameTable(commandTable.values(), false);
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        expect(find(table, text)).toBe(commandTable.has(text) ? text : undefined);
      }),
    );
  });
});
