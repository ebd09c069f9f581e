import { expect, test } from 'vitest';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { tcpPayloadBytesMax } from '../../limits.ts';
import { answerOf } from './answer.ts';
import { TcpFigures } from './figures.ts';
import { statusCodes } from './protocol.ts';
import { type Encoding, encodings, ResponseWriter } from './response-writer.ts';

const { OK, ERROR } = statusCodes;
const large = Buffer.alloc(20_000, 'l');
const figures = new TcpFigures();

/** The parts of what is sent for a reply. */
function partsOf(reply: Reply, encode: Encoding): Buffer[] {
  const writer = new ResponseWriter(figures);
  writer.reply(reply, encode);
  return writer.take();
}

const bytesOf = (reply: Reply, encode: Encoding): Buffer => Buffer.concat(partsOf(reply, encode));

test('a response says how long its payload is', () => {
  const writer = new ResponseWriter(figures);
  writer.answer(answerOf(OK, large));
  writer.answer(answerOf(OK, Buffer.from('small')));
  const [head, body, rest] = writer.take();
  expect(head).toEqual(Buffer.from([OK, 0, 0, 0x4e, 0x20]));
  expect(body).toBe(large);
  expect(rest).toEqual(Buffer.concat([Buffer.from([OK, 0, 0, 0, 5]), Buffer.from('small')]));
});

test('a value comes behind one head, and is not copied', () => {
  const [head, body] = partsOf([storedTypes.bytes, large], encodings.value);
  expect(head).toEqual(Buffer.from([OK, 0, 0, 0x4e, 0x25, 0x05, 0, 0, 0x4e, 0x20]));
  expect(body).toBe(large);
  expect(bytesOf([storedTypes.bool, Buffer.of(1)], encodings.value)).toEqual(Buffer.of(OK, 0, 0, 0, 2, 0x08, 1));
});

test('values of all sizes come behind their number, and what has no value to show is Null', () => {
  const wrongType = new ReplyError('WRONGTYPE', 'a list');
  const replies = [[storedTypes.bytes, large], null, wrongType, [storedTypes.decimal, Buffer.from('1.5')]];
  expect(bytesOf(replies as Reply, encodings.values)).toEqual(
    Buffer.concat([
      Buffer.from([OK, 0, 0, 0x4e, 0x2f, 0, 4, 0x05, 0, 0, 0x4e, 0x20]),
      large,
      Buffer.from([0, 0, 0x03, 0, 3]),
      Buffer.from('1.5'),
    ]),
  );
});

test('what no response holds or the protocol does not know is an error instead, and counted', () => {
  const before = figures.errors;
  const tooLarge = bytesOf([storedTypes.bytes, Buffer.alloc(tcpPayloadBytesMax)], encodings.value);
  expect(tooLarge[0]).toBe(ERROR);
  expect(tooLarge.toString('latin1', 5)).toMatch(/has 67108869 bytes; at most 64 MB/);
  const unknown = bytesOf(
    [
      [storedTypes.bytes, large],
      [storedTypes.zset, large],
    ] as Reply,
    encodings.values,
  );
  expect(unknown[0]).toBe(ERROR);
  expect(unknown.toString('latin1', 5)).toMatch(/type 4 is none/);
  expect(unknown.byteLength).toBe(5 + unknown.readUInt32BE(1));
  expect(figures.errors).toBe(before + 2);
});
