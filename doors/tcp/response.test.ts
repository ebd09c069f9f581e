import { expect, test } from 'vitest';
import { joined, response } from './response.ts';
import { statusCodes } from './protocol.ts';

const small = Buffer.from('small');
const large = Buffer.alloc(20_000, 'l');

test('small parts leave side by side, and large ones as they lie', () => {
  const parts = [small, small, large, small, large, large, small, small];
  const buffers = joined(parts);
  expect(buffers.map(({ byteLength }) => byteLength)).toEqual([10, 20_000, 5, 20_000, 20_000, 10]);
  expect(Buffer.concat(buffers).equals(Buffer.concat(parts))).toBe(true);
  expect(buffers[1]).toBe(large);
  expect(joined([])).toEqual([]);
});

test('a response says how long its payload is, whatever parts that has', () => {
  const [head] = response(statusCodes.OK, small, large);
  expect(head).toEqual(Buffer.from([statusCodes.OK, 0, 0, 0x4e, 0x25]));
});
