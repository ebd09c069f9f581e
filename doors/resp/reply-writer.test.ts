import { describe, expect, test } from 'vitest';
import { ReplyError, ReplyMap } from '../../commands/reply.ts';
import { outputJoinedBytesMax, outputSlabBytes } from '../../limits.ts';
import { encodedReply, ReplyWriter } from './reply-writer.ts';
import {
  DoubleReply,
  ErrorLine,
  PushReply,
  RespMap,
  type RespReply,
  SetReply,
  shapedReply,
  TextReply,
} from './resp-reply.ts';

const text = (value: string): Buffer => Buffer.from(value);

describe('replies as bytes of RESP2 and RESP3', () => {
  const cases: [string, RespReply, string, string][] = [
    ['a status', 'OK', '+OK\r\n', '+OK\r\n'],
    ['nil', null, '$-1\r\n', '_\r\n'],
    ['nothing', text(''), '$0\r\n\r\n', '$0\r\n\r\n'],
    ['bytes', text('a\r\nb'), '$4\r\na\r\nb\r\n', '$4\r\na\r\nb\r\n'],
    ['zero', 0, ':0\r\n', ':0\r\n'],
    ['an integer', -1234567890123, ':-1234567890123\r\n', ':-1234567890123\r\n'],
    ['the largest safe integer', 2 ** 53 - 1, ':9007199254740991\r\n', ':9007199254740991\r\n'],
    ['64 bits', -(2n ** 63n), ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
    ['more than 64 bits', 2n ** 63n, '$19\r\n9223372036854775808\r\n', '(9223372036854775808\r\n'],
    ['a fraction', 1.5, '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['a double', new DoubleReply(text('inf')), '$3\r\ninf\r\n', ',inf\r\n'],
    ['an array', [1, [], [null]], '*3\r\n:1\r\n*0\r\n*1\r\n$-1\r\n', '*3\r\n:1\r\n*0\r\n*1\r\n_\r\n'],
    ['a set', new SetReply([1]), '*1\r\n:1\r\n', '~1\r\n:1\r\n'],
    ['a map', new ReplyMap([['a', 1]]), '*2\r\n+a\r\n:1\r\n', '%1\r\n+a\r\n:1\r\n'],
    ['a map of maps', new RespMap([['a', new RespMap([])]]), '*2\r\n+a\r\n*0\r\n', '%1\r\n+a\r\n%0\r\n'],
    ['text', new TextReply('é'), '$2\r\né\r\n', '=6\r\ntxt:é\r\n'],
    ['a push', new PushReply(['a']), '*1\r\n+a\r\n', '>1\r\n+a\r\n'],
    ['an error', new ReplyError('ERR', 'no\r\nway'), '-ERR no  way\r\n', '-ERR no  way\r\n'],
    ['an error of Redis alone', new ErrorLine('NOPROTO', 'x'), '-NOPROTO x\r\n', '-NOPROTO x\r\n'],
  ];
  test.each(cases)('%s', (_, reply, two, three) => {
    expect(encodedReply(reply, 2).toString()).toBe(two);
    expect(encodedReply(reply, 3).toString()).toBe(three);
  });
});

test('small replies share a buffer, however many, and none is written over', () => {
  const writer = new ReplyWriter();
  const first: Buffer[] = [];
  let expected = '';
  for (let index = 0; index < 20_000; index++) {
    writer.write(index, 2);
    expected += `:${index}\r\n`;
    if (index % 1_000 === 999) first.push(...writer.take());
  }
  expect(Buffer.concat(first).toString()).toBe(expected);
  expect(first.length).toBeLessThan(40);
});

test('a large value is sent as it stands, between what comes before and after it', () => {
  const value = Buffer.alloc(outputJoinedBytesMax + 1, 'x');
  const writer = new ReplyWriter();
  writer.write([1, value, 2], 2);
  expect(writer.bytes).toBe(4 + 4 + 8 + value.byteLength + 2 + 4);
  const pieces = writer.take();
  expect(pieces).toHaveLength(3);
  expect(pieces[1]).toBe(value);
  expect(Buffer.concat(pieces).toString()).toBe(`*3\r\n:1\r\n$${value.byteLength}\r\n${value.toString()}\r\n:2\r\n`);
  expect(writer.bytes).toBe(0);
});

test('a text longer than a slab is whole', () => {
  const long = 'x'.repeat(outputSlabBytes * 2);
  expect(encodedReply(new TextReply(long), 3).toString()).toBe(`=${long.length + 4}\r\ntxt:${long}\r\n`);
});

describe('shapes of RESP3', () => {
  const shown = (
    shape: Parameters<typeof shapedReply>[0],
    reply: Parameters<typeof shapedReply>[1],
    ...args: string[]
  ) => encodedReply(shapedReply(shape, reply, args.map(text)), 3).toString();

  test('sets, maps and doubles', () => {
    expect(shown('set', [text('a')])).toBe('~1\r\n$1\r\na\r\n');
    expect(shown('map', [text('a'), text('b')])).toBe('%1\r\n$1\r\na\r\n$1\r\nb\r\n');
    expect(shown('double', text('1.5'))).toBe(',1.5\r\n');
    expect(shown('double', null)).toBe('_\r\n');
    expect(shown('double', [text('1'), null])).toBe('*2\r\n,1\r\n_\r\n');
  });

  test('pairs where the command asked for them', () => {
    const flat = [text('m'), text('2')];
    expect(shown('scores', flat, 'k', '0', '-1')).toBe('*2\r\n$1\r\nm\r\n$1\r\n2\r\n');
    expect(shown('scores', flat, 'k', '0', '-1', 'withscores')).toBe('*1\r\n*2\r\n$1\r\nm\r\n,2\r\n');
    expect(shown('values', flat, 'k', '1', 'WITHVALUES')).toBe('*1\r\n*2\r\n$1\r\nm\r\n$1\r\n2\r\n');
    expect(shown('popped', flat, 'k')).toBe('*2\r\n$1\r\nm\r\n,2\r\n');
    expect(shown('popped', flat, 'k', '1')).toBe('*1\r\n*2\r\n$1\r\nm\r\n,2\r\n');
  });

  test('an error is an error', () => {
    expect(shown('set', new ReplyError('WRONGTYPE', 'x'))).toBe('-WRONGTYPE x\r\n');
  });
});
