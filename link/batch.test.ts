import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acknowledgements } from '../commands/command.ts';
import { type Reply, ReplyError, ReplyMap } from '../commands/reply.ts';
import { commandTable } from '../commands/table.ts';
import { type ErrorCode, errorCodes, KvcacheError } from '../errors.ts';
import { Frame } from '../protos/generated/link.ts';
import { CommandBatch, commandBytes, decodeCommands, decodeReplies, type LinkCommand, ReplyBatch } from './batch.ts';
import { ownsMemory } from '../shard/hot/owned.ts';
import { decodeFrame, encodeFrame } from './frame.ts';

const u32 = fc.nat(0xffff_ffff);
const bytes = fc
  .oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(60_000).map((length) => new Uint8Array(length).fill(length)),
  )
  .map((array) => Buffer.from(array));

const command: fc.Arbitrary<LinkCommand> = fc.record({
  id: u32,
  remainingMs: u32,
  epoch: fc.option(fc.nat(0xffff_fffe), { nil: undefined }),
  acknowledgement: fc.option(fc.constantFrom(...acknowledgements), { nil: undefined }),
  name: fc.oneof(fc.constantFrom(...commandTable.keys()), fc.stringMatching(/^[A-Z.]{0,20}$/)),
  args: fc.array(bytes, { maxLength: 6 }),
});

const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
    fc.string({ unit: 'grapheme' }),
    bytes,
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 }).map((pairs) => new ReplyMap(pairs)),
    fc
      .tuple(fc.constantFrom(...(Object.keys(errorCodes) as ErrorCode[])), fc.string())
      .map(([code, message]) => new ReplyError(code, message)),
  ),
}));

function commandBatch(commands: readonly LinkCommand[]): Buffer {
  const batch = new CommandBatch(0);
  for (const item of commands) batch.add(item.id, item, item.remainingMs, item.epoch, item.acknowledgement);
  return Buffer.concat(batch.finish());
}

function replyBatch(replies: readonly (readonly [number, Reply])[]): Buffer {
  const batch = new ReplyBatch(0);
  for (const [id, item] of replies) batch.add(id, item);
  return Buffer.concat(batch.finish());
}

function decodedReplies(batch: Buffer): [number, Reply][] {
  const replies: [number, Reply][] = [];
  decodeReplies(batch, (id, item) => replies.push([id, item]));
  return replies;
}

describe('round trips', () => {
  test('commands come back as they were', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 8 }), (commands) => {
        expect(decodeCommands(commandBatch(commands))).toEqual(commands);
      }),
    );
  });

  test('replies of every kind come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(u32, reply), { maxLength: 8 }), (replies) => {
        expect(decodedReplies(replyBatch(replies))).toEqual(replies);
      }),
    );
  });

  test('a batch says how many bytes it takes, and a command does before it is written', () => {
    fc.assert(
      fc.property(command, (item) => {
        const batch = new CommandBatch(commandBytes(item));
        const empty = batch.bytes;
        batch.add(item.id, item, item.remainingMs, item.epoch, item.acknowledgement);
        expect(batch.bytes - empty).toBe(commandBytes(item));
        expect(Buffer.concat(batch.finish()).byteLength).toBe(batch.bytes);
      }),
    );
  });

  test('frames are those of the generated protobuf code', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 3 }), fc.uint8Array({ maxLength: 9 }), (parts, trace) => {
        const batch = Buffer.concat(parts);
        expect(Frame.decode(Buffer.concat(encodeFrame(parts))).batch).toEqual(batch);
        const generated = Buffer.from(Frame.encode({ batch, trace: Buffer.from(trace) }).finish());
        expect(decodeFrame(generated)).toEqual(batch);
      }),
    );
  });

  test('a code of a later version becomes ERR and keeps its message', () => {
    const batch = replyBatch([[1, new ReplyError('NEWER' as ErrorCode, 'what happened')]]);
    expect(decodedReplies(batch)).toEqual([[1, new ReplyError('ERR', 'what happened')]]);
  });
});

describe('bytes that are no batch are refused with a clear error', () => {
  const commands = commandBatch([
    {
      id: 1,
      remainingMs: 5,
      epoch: 3,
      acknowledgement: 'disk',
      name: 'SET',
      args: [Buffer.from('k'), Buffer.from('v')],
    },
    { id: 2, remainingMs: 5, epoch: undefined, acknowledgement: undefined, name: 'DBSIZE', args: [] },
  ]);
  const replies = replyBatch([
    [1, [null, 7, 2n ** 70n, 'OK', Buffer.from('bytes'), new ReplyMap([['a', [1]]])]],
    [2, new ReplyError('MOVED', 'slot 1 is at a')],
  ]);

  test('every cut', () => {
    for (let end = 0; end < commands.byteLength; end++) {
      expect(() => decodeCommands(commands.subarray(0, end))).toThrow('malformed link frame');
    }
    for (let end = 0; end < replies.byteLength; end++) {
      expect(() => decodedReplies(replies.subarray(0, end))).toThrow('malformed link frame');
    }
  });

  test('anything left over', () => {
    expect(() => decodeCommands(Buffer.concat([commands, Buffer.alloc(1)]))).toThrow('1 bytes are left over');
    expect(() => decodedReplies(Buffer.concat([replies, Buffer.alloc(2)]))).toThrow('2 bytes are left over');
  });

  test('another version, and a batch of the other kind', () => {
    expect(() => decodeCommands(Buffer.concat([Buffer.of(9), commands.subarray(1)]))).toThrow('version 9');
    expect(() => decodeCommands(replies)).toThrow('kind 2 where 1 was expected');
  });

  test('counts and lengths that claim more than is there, before anything is allocated for them', () => {
    const claim = Buffer.from(commands);
    claim.writeUInt32BE(0xffff_ffff, 4);
    expect(() => decodeCommands(claim)).toThrow('4294967295 items are claimed');
    const array = Buffer.concat([replyBatch([[1, []]]).subarray(0, -4), Buffer.from('ffffffff', 'hex')]);
    expect(() => decodedReplies(array)).toThrow('items are claimed');
    const value = Buffer.concat([replyBatch([[1, Buffer.alloc(0)]]).subarray(0, -4), Buffer.from('7fffffff', 'hex')]);
    expect(() => decodedReplies(value)).toThrow('2147483647 bytes are claimed and only 0 are left');
  });

  test('replies nested without end', () => {
    const deep = replyBatch([[1, null]]).subarray(0, 12);
    const levels = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from('0500000001', 'hex')));
    expect(() => decodedReplies(Buffer.concat([deep, levels, Buffer.of(0)]))).toThrow('nested deeper than 32');
  });

  test('random bytes and random damage', () => {
    const decodeAny = (batch: Buffer): void => {
      for (const decode of [decodeCommands, decodedReplies, decodeFrame]) {
        try {
          decode(batch);
        } catch (error) {
          expect(error).toBeInstanceOf(KvcacheError);
        }
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (random) => decodeAny(Buffer.from(random))));
    fc.assert(
      fc.property(fc.constantFrom(commands, replies), fc.nat(), fc.nat(255), (whole, at, byte) => {
        const damaged = Buffer.from(whole);
        damaged[at % damaged.byteLength] = byte;
        decodeAny(damaged);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a reply nested too deep is answered with an error in its depth', () => {
  let nested: Reply = 1;
  for (let depth = 0; depth < 40; depth++) nested = [nested];
  let [[, inner]] = decodedReplies(replyBatch([[1, nested]])) as [[number, Reply]];
  while (Array.isArray(inner)) inner = inner[0]!;
  expect(inner).toBeInstanceOf(ReplyError);
});

describe('memory', () => {
  const value = Buffer.alloc(1_000_000);
  const batch = new CommandBatch(0);
  batch.add(1, { name: 'SET', args: [Buffer.from('key'), value] }, 1, undefined, undefined);
  const parts = batch.finish();

  test('a large value goes out as it stands', () => {
    expect(parts).toContain(value);
  });

  test('a large value that is alone in its frame can be kept as it came', () => {
    const message = Buffer.allocUnsafeSlow(batch.bytes);
    message.set(Buffer.concat(parts));
    expect(ownsMemory(decodeCommands(message)[0]!.args[1]!)).toBe(true);
  });
});
