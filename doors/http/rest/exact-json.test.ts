import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExact } from './exact-json.ts';

test('numbers keep their digits', () => {
  const json = '{"a":9007199254740993,"b":1.50,"c":[1e400,-0,12,null,"9007199254740993"]}';
  expect(JSON.stringify(parseExact(json))).toBe(json);
});

test('everything else is what JSON.parse makes of it', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(JSON.stringify(parseExact(json))).toBe(JSON.stringify(JSON.parse(json)));
    }),
  );
});
