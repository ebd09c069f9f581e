import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandBytes, decodeReplies, encodeExecute } from '../../client/cache-codec.ts';
import { acknowledgements } from '../../commands/command.ts';
import { type Reply, ReplyError, ReplyMap } from '../../commands/reply.ts';
import { bytesOf } from '../../byte-parts.ts';
import type { MessageParts } from '../../grpc/method.ts';
import { ExecuteResponse } from '../../protos/generated/kvcache.ts';
import { decodeExecute, encodedReplyBytes, encodeReplies } from './cache-codec.ts';

function joined(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts);
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)),
  fc.integer({ min: 16_000, max: 17_000 }).map((length) => Buffer.alloc(length, 5)),
);
const { reply } = fc.letrec<{ reply: Reply; leaf: Reply }>((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.constantFrom(2 ** 30 - 1, 2 ** 30, -(2 ** 30), 2n ** 63n - 1n, -(2n ** 63n)),
    fc.constantFrom('OK', '', 'größer'),
    bytes,
    fc.string({ unit: 'grapheme' }).map((message) => new ReplyError('TRYAGAIN', message)),
  ),
  reply: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.array(fc.tuple(tie('leaf'), tie('reply')), { maxLength: 4 }).map((pairs) => new ReplyMap(pairs)),
  ),
}));

describe('replies', () => {
  test('of every kind, size and nesting reach the client as they were given', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ index: fc.nat(2 ** 31 - 1), reply }), { maxLength: 5 }), (replies) => {
        const parts = encodeReplies(replies);
        expect(joined(parts).byteLength).toBe(replies.reduce((sum, item) => sum + encodedReplyBytes(item), 0));
        expect(decodeReplies(joined(parts))).toEqual(replies);
      }),
    );
  });

  test('are what the generated code reads too', () => {
    const parts = encodeReplies([{ index: 7, reply: [null, -3, Buffer.from('x')] }]);
    expect(ExecuteResponse.decode(joined(parts)).replies).toEqual([
      {
        index: 7,
        reply: {
          kind: {
            $case: 'array',
            value: {
              items: [
                { kind: { $case: 'nil', value: {} } },
                { kind: { $case: 'integer', value: -3n } },
                { kind: { $case: 'bytes', value: Buffer.from('x') } },
              ],
            },
          },
        },
      },
    ]);
  });

  test('with large bytes are not copied', () => {
    const large = Buffer.alloc(100_000);
    const parts = encodeReplies([{ index: 0, reply: [1, large, 2] }]) as Uint8Array[];
    expect(parts[1]).toBe(large);
    expect(bytesOf(parts)).toBe(encodedReplyBytes({ index: 0, reply: [1, large, 2] }));
  });
});

describe('commands', () => {
  const command = fc.record({
    name: fc.constantFrom('GET', 'MSET'),
    args: fc.array(bytes, { maxLength: 5 }),
    acknowledgement: fc.constantFrom(undefined, ...acknowledgements),
  });

  test('reach the server as the client gave them', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 5 }), (commands) => {
        const message = joined(encodeExecute(commands));
        expect(message.byteLength).toBe(commands.reduce((sum, item) => sum + commandBytes(item), 0));
        const expected = commands.map(({ name, args, acknowledgement }) => ({
          command: { name, args },
          acknowledgement,
        }));
        expect(decodeExecute(message)).toEqual(expected);
      }),
    );
  });

  test('cut anywhere are refused or are the whole commands before the cut', () => {
    const commands = ['a', 'bb'].map((key) => ({ name: 'GET', args: [Buffer.from(key)], acknowledgement: undefined }));
    const message = joined(encodeExecute(commands));
    for (let end = 1; end < message.byteLength; end++) {
      if (end === commandBytes(commands[0]!)) expect(decodeExecute(message.subarray(0, end))).toHaveLength(1);
      else expect(() => decodeExecute(Buffer.from(message.subarray(0, end)))).toThrow();
    }
  });
});
