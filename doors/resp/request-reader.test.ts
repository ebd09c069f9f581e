import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  commandArgumentsMax,
  readInPlaceBytesMin,
  respLineBytesMax,
  respReceiveStepBytes,
  valueBytesMax,
} from '../../limits.ts';
import type { Upload } from '../../commands/command.ts';
import { RequestReader } from './request-reader.ts';
import { fuzzedFrames, randomNumbers } from './testing/frames.ts';
import { encodedRequest } from './testing/requests.ts';

interface Read {
  readonly requests: string[][];
  readonly fault: string;
}

const always = (): boolean => true;

/** What a reader makes of chunks, one after the other; bytes as latin1. */
function read(chunks: Iterable<Buffer>, reader = new RequestReader(always)): Read {
  const requests: string[][] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let outcome = reader.next(); outcome !== 'more'; outcome = reader.next()) {
      if (outcome !== 'request') return { requests, fault: reader.fault };
      const name = reader.nameSource.toString('latin1', reader.nameFrom, reader.nameTo);
      requests.push([name, ...reader.args.map((argument) => argument.toString('latin1'))]);
    }
  }
  return { requests, fault: '' };
}

function* inPieces(bytes: Buffer, size: number): Generator<Buffer> {
  // Copies, as sockets give them.
  for (let at = 0; at < bytes.byteLength; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

describe('requests', () => {
  const pipeline = Buffer.concat([
    encodedRequest(['SET', 'key', 'value']),
    Buffer.from('PING\r\n'),
    encodedRequest(['GET', Buffer.from([0, 13, 10, 255])]),
    Buffer.from('*0\r\n\r\n*-1\r\n'),
    Buffer.from('set "a b" \'c\\\'d\' "\\x41\\n\\"" \n'),
    encodedRequest(['MSET', '', '', 'x'.repeat(300), 'y']),
  ]);
  const expected = [
    ['SET', 'key', 'value'],
    ['PING'],
    ['GET', '\x00\r\n\xff'],
    ['set', 'a b', "c'd", 'A\n"'],
    ['MSET', '', '', 'x'.repeat(300), 'y'],
  ];

  test('are the same wherever the input is cut', () => {
    for (let cut = 0; cut <= pipeline.byteLength; cut++) {
      const chunks = [Buffer.from(pipeline.subarray(0, cut)), Buffer.from(pipeline.subarray(cut))];
      expect(read(chunks).requests).toEqual(expected);
    }
  });

  test.each([1, 2, 3, 7, 64])('are the same in pieces of %i bytes', (size) => {
    expect(read(inPieces(pipeline, size))).toEqual({ requests: expected, fault: '' });
  });

  test('of any bytes survive the way', () => {
    const argument = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
    const requests = fc.array(fc.array(argument, { minLength: 1, maxLength: 5 }), { maxLength: 5 });
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 40 }), (all, size) => {
        const bytes = Buffer.concat(all.map((args) => encodedRequest(args)));
        const texts = all.map((args) => args.map((item) => item.toString('latin1')));
        expect(read(inPieces(bytes, size))).toEqual({ requests: texts, fault: '' });
      }),
    );
  });

  test('that are views of one chunk are not copied, and a value that is cut owns its memory', () => {
    const reader = new RequestReader(always);
    const chunk = encodedRequest(['SET', 'k', 'v'.repeat(1000)]);
    reader.feed(chunk);
    expect(reader.next()).toBe('request');
    expect(reader.args[1]!.buffer).toBe(chunk.buffer);
    reader.feed(chunk.subarray(0, 500));
    expect(reader.next()).toBe('more');
    reader.feed(chunk.subarray(500));
    expect(reader.next()).toBe('request');
    expect(reader.args[1]!.buffer).not.toBe(chunk.buffer);
    expect(reader.args[1]!.byteLength).toBe(1000);
  });

  test('a value of 64 MiB in chunks of a socket is gathered with few copies, and asks for its memory in steps', () => {
    const steps: number[] = [];
    const reader = new RequestReader((bytes) => steps.push(bytes) > 0);
    const size = 64 * 1024 * 1024;
    const piece = Buffer.alloc(65_536, 7);
    reader.feed(Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${size}\r\n`));
    expect(reader.next()).toBe('more');
    for (let sent = 0; sent < size; sent += piece.byteLength) {
      reader.feed(piece);
      expect(reader.next()).toBe('more');
    }
    reader.feed(Buffer.from('\r\n'));
    expect(reader.next()).toBe('request');
    expect(reader.args[1]!.byteLength).toBe(size);
    expect(reader.admittedBytes).toBe(size + 2);
    expect(steps[0]).toBe(respReceiveStepBytes);
    expect(steps).toHaveLength(3);
  });

  test('wait where there is no room, and go on where they stood', () => {
    let hasRoom = false;
    const reader = new RequestReader(() => hasRoom);
    const bytes = encodedRequest(['SET', 'k', 'v'.repeat(200_000)]);
    reader.feed(bytes.subarray(0, 100_000));
    expect(reader.next()).toBe('wait');
    expect(reader.next()).toBe('wait');
    hasRoom = true;
    expect(reader.next()).toBe('more');
    reader.feed(bytes.subarray(100_000));
    expect(reader.next()).toBe('request');
    expect(reader.args[1]!.toString()).toBe('v'.repeat(200_000));
  });

  test('of many small arguments ask for memory too', () => {
    let asked = 0;
    const reader = new RequestReader((bytes) => {
      asked += bytes;
      return true;
    });
    const args = Array.from({ length: 20_000 }, () => 'x');
    const { requests } = read(inPieces(encodedRequest(['DEL', ...args]), 10_000), reader);
    expect(requests[0]).toHaveLength(20_001);
    expect(asked).toBeGreaterThan(2_000_000);
  });
});

describe('what is wrong is said in the words of Redis', () => {
  const cases: [string, string, string][] = [
    ['a length that is no number', '*x\r\n', 'invalid multibulk length'],
    ['a length with a sign', '*+1\r\n', 'invalid multibulk length'],
    ['a length with leading zeros', '*01\r\n', 'invalid multibulk length'],
    ['too many arguments', `*${commandArgumentsMax + 2}\r\n`, 'invalid multibulk length'],
    ['2^31 arguments', '*2147483648\r\n', 'invalid multibulk length'],
    ['2^63 arguments', '*9223372036854775808\r\n', 'invalid multibulk length'],
    ['another type', '*1\r\n:1\r\n', "expected '$', got ':'"],
    ['an array in an array', '*1\r\n*1\r\n', "expected '$', got '*'"],
    ['a negative length', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['a length above the bound', `*1\r\n$${valueBytesMax + 1}\r\n`, 'invalid bulk length'],
    ['a length of 2^63', '*1\r\n$9223372036854775808\r\n', 'invalid bulk length'],
    ['a quote without an end', 'set k "v\r\n', 'unbalanced quotes in request'],
    ['something behind a quote', 'set k "v"x\r\n', 'unbalanced quotes in request'],
    ['an endless line', 'x'.repeat(respLineBytesMax + 1), 'too big inline request'],
    ['an endless count', `*${'1'.repeat(respLineBytesMax + 1)}`, 'too big mbulk count string'],
    ['an endless length', `*1\r\n$${'1'.repeat(respLineBytesMax + 1)}`, 'too big bulk count string'],
  ];
  test.each(cases)('%s', (_, input, fault) => {
    const bytes = Buffer.from(input, 'latin1');
    expect(read([bytes]).fault).toBe(fault);
    expect(read(inPieces(bytes, bytes.byteLength > 100 ? 999 : 1)).fault).toBe(fault);
  });

  test('of a stranger little is taken', () => {
    const strangers = (input: string): string => {
      const reader = new RequestReader(always);
      reader.isTrusted = false;
      return read([Buffer.from(input)], reader).fault;
    };
    expect(strangers('*11\r\n')).toBe('unauthenticated multibulk length');
    expect(strangers('*1\r\n$16385\r\n')).toBe('unauthenticated bulk length');
    expect(strangers('*10\r\n$16384\r\n')).toBe('');
  });
});

test('a long line in single bytes takes time that grows with its length alone', () => {
  const line = Buffer.from(`set k ${'v'.repeat(60_000)}\r\n`);
  expect(read(inPieces(line, 1)).requests).toEqual([['set', 'k', 'v'.repeat(60_000)]]);
});

test('ten thousand fuzzed frames: what is right is read as it is, and what is wrong ends in a fault or in waiting', () => {
  const random = randomNumbers(7);
  let frames = 0;
  for (const frame of fuzzedFrames(42)) {
    if (++frames > 10_000) break;
    const size = 1 + Math.floor(random() * 30);
    const { requests, fault } = read(inPieces(frame.bytes, size));
    if (frame.request === undefined) continue;
    expect(fault).toBe('');
    expect(requests).toEqual([frame.request.map((argument) => argument.toString('latin1'))]);
  }
});

describe('a large bulk string', () => {
  const MiB = 1024 * 1024;
  const value = Buffer.from(Array.from({ length: 3 * MiB + 5 }, (_, index) => index % 251));

  class Passed implements Upload {
    readonly argument: number;
    readonly pieces: Buffer[] = [];
    isEnded = false;

    constructor(argument: number) {
      this.argument = argument;
    }

    push(bytes: Buffer): void {
      this.pieces.push(bytes);
    }

    end(): void {
      this.isEnded = true;
    }
  }

  function readerWithUploads() {
    const begun: { name: string; before: string[]; bytes: number; upload: Passed }[] = [];
    const reader: RequestReader = new RequestReader(always, (args, bytes) => {
      const name = reader.nameSource.toString('latin1', reader.nameFrom, reader.nameTo);
      const upload = new Passed(args.length);
      begun.push({ name, before: args.map((argument) => argument.toString('latin1')), bytes, upload });
      return upload;
    });
    return { reader, begun };
  }

  test.each([64 * 1024, 100_003, 2 * MiB])('is passed on while it arrives, whole and once, in chunks of %i', (size) => {
    const { reader, begun } = readerWithUploads();
    const chunks = inPieces(encodedRequest(['SET', 'key', value, 'EX', '9']), size);
    let passedBefore = 0;
    for (const chunk of chunks) {
      reader.feed(chunk);
      const outcome = reader.next();
      if (outcome !== 'request') passedBefore = begun[0]?.upload.pieces.length ?? 0;
      else expect(reader.args[1]!.equals(value)).toBe(true);
    }
    const [{ name, before, bytes, upload } = expect.fail('nothing was passed on')] = begun;
    expect({ name, before, bytes }).toEqual({ name: 'SET', before: ['key'], bytes: value.byteLength });
    expect(passedBefore).toBeGreaterThan(0);
    expect(Buffer.concat(upload.pieces).equals(value)).toBe(true);
    expect(reader.upload).toBe(upload);
    expect(upload).toMatchObject({ argument: 1, isEnded: false });
    for (const chunk of inPieces(encodedRequest(['GET', 'key']), size)) reader.feed(chunk);
    expect(reader.next()).toBe('request');
    expect(reader.upload).toBeUndefined();
  });

  test.each([1_000, 64 * 1024, 100_003])('is the same where it is read to its place, in reads of %i', (size) => {
    const { reader, begun } = readerWithUploads();
    const large = Buffer.concat([value, value]);
    const input = encodedRequest(['MSET', 'a', value.subarray(0, 20_000), 'b', large, 'c', 'small']);
    let readInPlace = 0;
    for (let at = 0; at < input.byteLength;) {
      const place = reader.whereNext()?.subarray(0, size);
      const next = input.subarray(at, at + (place?.byteLength ?? size));
      if (place === undefined) {
        reader.feed(Buffer.from(next));
      } else {
        next.copy(place);
        reader.feed(place.subarray(0, next.byteLength));
        readInPlace += next.byteLength;
      }
      at += next.byteLength;
      expect(reader.next()).toBe(at < input.byteLength ? 'more' : 'request');
    }
    const [, first, , second, , third] = reader.args;
    expect(first!.equals(value.subarray(0, 20_000))).toBe(true);
    expect(second!.equals(large)).toBe(true);
    expect(third!.toString()).toBe('small');
    expect(Buffer.concat(begun[0]!.upload.pieces).equals(large)).toBe(true);
    expect(readInPlace).toBeGreaterThan(large.byteLength - 2 * size - readInPlaceBytesMin);
    expect(reader.whereNext()).toBeUndefined();
  });

  test('is not passed on where it is the name, lies whole in a chunk, is small, or is the second one of its request', () => {
    const { reader, begun } = readerWithUploads();
    const requests = [[value], ['SET', 'key', 'x'.repeat(600_000)], ['MSET', 'a', value, 'b', value]];
    for (const request of requests) read(inPieces(encodedRequest(request), 65_536), reader);
    read([encodedRequest(['SET', 'key', value])], reader);
    expect(begun.map(({ name, before }) => `${name} ${before.join(' ')}`)).toEqual(['MSET a']);
  });

  test('that never ends is given up with its connection', () => {
    const { reader, begun } = readerWithUploads();
    const request = encodedRequest(['SET', 'key', value]);
    reader.feed(request.subarray(0, MiB));
    expect(reader.next()).toBe('more');
    reader.close();
    expect(begun[0]!.upload.isEnded).toBe(true);
  });
});
