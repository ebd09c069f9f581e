import { expect, test } from 'vitest';
import { outputJoinedBytesMax, outputSlabBytes } from '../limits.ts';
import { Output } from './output.ts';

const small = Buffer.from('small');
const large = Buffer.alloc(outputJoinedBytesMax + 1, 'l');

test('small parts leave side by side, and large ones as they lie', () => {
  const output = new Output();
  const parts = [small, small, large, small, large, large, small, small];
  for (const part of parts) output.append(part);
  expect(output.bytes).toBe(Buffer.concat(parts).byteLength);
  const pieces = output.take();
  expect(pieces.map(({ byteLength }) => byteLength)).toEqual([
    2 * small.byteLength,
    large.byteLength,
    small.byteLength,
    large.byteLength,
    large.byteLength,
    2 * small.byteLength,
  ]);
  expect(Buffer.concat(pieces).equals(Buffer.concat(parts))).toBe(true);
  expect(pieces[1]).toBe(large);
});

test('what was taken is never written over', () => {
  const output = new Output();
  const taken: Buffer[] = [];
  const expected: Buffer[] = [];
  for (let index = 0; index * 1_000 < 4 * outputSlabBytes; index++) {
    const part = Buffer.alloc(1_000, index);
    output.append(part);
    expected.push(part);
    if (index % 3 === 0) taken.push(...output.take());
  }
  taken.push(...output.take());
  expect(Buffer.concat(taken).equals(Buffer.concat(expected))).toBe(true);
  expect(output.bytes).toBe(0);
  expect(output.take()).toEqual([]);
});
