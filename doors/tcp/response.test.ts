import { expect, test } from 'vitest';
import { storedTypes } from '../../commands/stored-type.ts';
import { tcpPayloadBytesMax } from '../../limits.ts';
import { statusCodes } from './protocol.ts';
import { encodings, response } from './response.ts';

const small = Buffer.from('small');
const large = Buffer.alloc(20_000, 'l');

test('a response says how long its payload is, whatever parts that has', () => {
  const [head] = response(statusCodes.OK, small, large);
  expect(head).toEqual(Buffer.from([statusCodes.OK, 0, 0, 0x4e, 0x25]));
});

test('a value comes behind one head, and is not copied', () => {
  const [head, body] = encodings.value([storedTypes.bytes, large]);
  expect(head).toEqual(Buffer.from([statusCodes.OK, 0, 0, 0x4e, 0x25, 0x05, 0, 0, 0x4e, 0x20]));
  expect(body).toBe(large);
  expect(Buffer.concat(encodings.value([storedTypes.bool, Buffer.of(1)]))).toEqual(Buffer.of(0, 0, 0, 0, 2, 0x08, 1));
});

test('a value that no response holds is an error instead', () => {
  const [head] = encodings.value([storedTypes.bytes, Buffer.alloc(tcpPayloadBytesMax)]);
  expect(head![0]).toBe(statusCodes.ERROR);
});
