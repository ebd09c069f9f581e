import { describe, expect, test } from 'vitest';
import { parseOptions } from './options.ts';

const known = ['resp-small', 'engine'];

describe('options of the bench', () => {
  test('without names every scenario runs, in five rounds', () => {
    expect(parseOptions([], known)).toMatchObject({ scenarios: known, rounds: 5, quick: false, json: false });
    expect(parseOptions(['--quick'], known)).toMatchObject({ rounds: 3, quick: true });
  });

  test('names and flags may be mixed', () => {
    const options = parseOptions(['engine', '--quick', '--rounds', '7', '--trace', 'x.jsonl'], known);
    expect(options).toMatchObject({ scenarios: ['engine'], quick: true, rounds: 7, tracePath: 'x.jsonl' });
  });

  test('a scenario that does not exist is refused with those that do', () => {
    expect(() => parseOptions(['resp'], known)).toThrow('there is no scenario resp; there are resp-small, engine');
  });

  test('rounds that are no count are refused', () => {
    for (const rounds of ['0', 'many', '1.5']) {
      expect(() => parseOptions(['--rounds', rounds], known)).toThrow('--rounds takes a whole number from 1');
    }
  });
});
