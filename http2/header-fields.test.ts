import { describe, expect, it } from 'vitest';
import { isValidField } from './header-fields.ts';

describe('a header field', () => {
  it.each([
    ['content-type', 'application/grpc'],
    [':path', '/a.B/C'],
    ['x-empty', ''],
    ["!#$%&'*+-.^_`|~09az", 'x y\tz'],
    ['x-octets', '\u0080ÿ'],
  ])('may be %s: %j', (name, value) => {
    expect(isValidField(name, value)).toBe(true);
  });

  it.each([
    ['', 'x'],
    [':', 'x'],
    ['::a', 'x'],
    ['a:b', 'x'],
    ['Upper', 'x'],
    ['a b', 'x'],
    ['ä', 'x'],
    ['ā', 'x'],
    ['a', 'x\0'],
    ['a', 'x\ny'],
    ['a', 'x\ry'],
    ['a', ' x'],
    ['a', 'x\t'],
    ['a', ' '],
    ['a', 'ā'],
  ])('may not be %j: %j', (name, value) => {
    expect(isValidField(name, value)).toBe(false);
  });
});
