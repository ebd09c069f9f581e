import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ClusterChange, formatChanges, missingFrom, newestOf, parseChanges } from './cluster-change.ts';

const change = fc.record({
  name: fc.constantFrom('a', 'b'),
  value: fc.constantFrom('1', '2', '3'),
  over: fc.constantFrom('1', '2'),
  stamp: fc.integer({ min: 1, max: 4 }),
});
const changes = fc.array(change, { maxLength: 12 });

const sorted = (list: readonly ClusterChange[]): ClusterChange[] =>
  list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

test('whatever the order in which changes meet, the same are the newest', () => {
  fc.assert(
    fc.property(changes, changes, (some, others) => {
      const all = sorted(newestOf([...some, ...others]));
      expect(sorted(newestOf([...others, ...some]))).toEqual(all);
      expect(sorted(newestOf([...newestOf(some), ...newestOf(others)]))).toEqual(all);
    }),
  );
});

test('who is given what is missing knows the newest, and then nothing is missing', () => {
  fc.assert(
    fc.property(changes, changes, (some, others) => {
      const known = newestOf(some);
      const newest = newestOf([...known, ...others]);
      const after = newestOf([...known, ...missingFrom(known, newest)]);
      expect(sorted(after)).toEqual(sorted(newest));
      expect(missingFrom(after, newest)).toEqual([]);
    }),
  );
});

test('changes travel as JSON, and what are none is refused', () => {
  const one = { name: 'log_level', value: 'debug', over: 'info', stamp: 5 };
  expect(parseChanges(formatChanges([one]))).toEqual([one]);
  expect(() => parseChanges('[')).toThrow(/no JSON/);
  for (const wrong of ['{}', '[1]', '[{"name":"a","value":"1","over":"2","stamp":0.5}]', '[{"name":"a","stamp":1}]']) {
    expect(() => parseChanges(wrong)).toThrow('no changes of settings');
  }
});
