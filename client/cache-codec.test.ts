import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acknowledgements } from '../commands/command.ts';
import { type Reply, ReplyError, ReplyMap } from '../commands/reply.ts';
import type { MessageParts } from '../grpc/method.ts';
import { ExecuteRequest, ExecuteResponse, type Reply as ReplyMessage } from '../protos/generated/kvcache.ts';
import { commandBytes, decodeReplies, encodeExecute } from './cache-codec.ts';

function joined(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts);
}

const command = fc.record({
  name: fc.constantFrom('GET', 'SET', 'BLOCK.VERSIONS'),
  args: fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 16_000, max: 17_000 }).map((bytes) => Buffer.alloc(bytes, 5)),
    ),
    { maxLength: 5 },
  ),
  acknowledgement: fc.constantFrom(undefined, ...acknowledgements),
});

describe('a batch of commands', () => {
  test('is read by the generated code as it was written, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 10 }), (commands) => {
        const bytes = joined(encodeExecute(commands));
        expect(bytes.byteLength).toBe(commands.reduce((sum, command) => sum + commandBytes(command), 0));
        const expected = commands.map(({ name, args, acknowledgement }) => ({
          name,
          args,
          acknowledgement: acknowledgement ? acknowledgements.indexOf(acknowledgement) + 1 : 0,
        }));
        expect(ExecuteRequest.decode(bytes)).toEqual({ commands: expected });
      }),
    );
  });

  test('carries a large argument without copying it', () => {
    const value = Buffer.alloc(100_000);
    const parts = encodeExecute([{ name: 'SET', args: [Buffer.from('key'), value], acknowledgement: 'disk' }]);
    expect((parts as Uint8Array[])[1]).toBe(value);
  });
});

/** The reply as the generated code's message. */
function messageOf(reply: Reply): ReplyMessage {
  if (reply === null) return { kind: { $case: 'nil', value: {} } };
  if (typeof reply === 'string') return { kind: { $case: 'status', value: reply } };
  if (typeof reply === 'number' || typeof reply === 'bigint') {
    return { kind: { $case: 'integer', value: BigInt(reply) } };
  }
  if (Buffer.isBuffer(reply)) return { kind: { $case: 'bytes', value: reply } };
  if (Array.isArray(reply)) return { kind: { $case: 'array', value: { items: reply.map(messageOf) } } };
  if (reply instanceof ReplyMap) {
    return { kind: { $case: 'map', value: { items: reply.pairs.flat().map(messageOf) } } };
  }
  return { kind: { $case: 'error', value: { code: reply.code, message: reply.message } } };
}

const { reply } = fc.letrec<{ reply: Reply; leaf: Reply }>((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.constant(2n ** 63n - 1n),
    fc.constant(-(2n ** 63n)),
    fc.constantFrom('OK', ''),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc.constant(new ReplyError('TRYAGAIN', 'later')),
  ),
  reply: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.array(fc.tuple(tie('leaf'), tie('reply')), { maxLength: 4 }).map((pairs) => new ReplyMap(pairs)),
  ),
}));

describe('a reply', () => {
  test('of any kind and nesting comes out as it went in', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 5 }), (replies) => {
        const message = { replies: replies.map((reply, index) => ({ index, reply: messageOf(reply) })) };
        const bytes = Buffer.from(ExecuteResponse.encode(message).finish());
        expect(decodeReplies(bytes)).toEqual(replies.map((reply, index) => ({ index, reply })));
      }),
    );
  });

  test('with a code of a newer server is an ERR that keeps its message', () => {
    const fault = { code: 'FROM_THE_FUTURE', message: 'why' };
    const message = { replies: [{ index: 3, reply: { kind: { $case: 'error' as const, value: fault } } }] };
    const bytes = Buffer.from(ExecuteResponse.encode(message).finish());
    expect(decodeReplies(bytes)).toEqual([{ index: 3, reply: new ReplyError('ERR', 'why') }]);
  });

  test('that nests without end is refused', () => {
    let nested: Reply = [];
    for (let depth = 0; depth < 50; depth++) nested = [nested];
    const message = { replies: [{ index: 0, reply: messageOf(nested) }] };
    expect(() => decodeReplies(Buffer.from(ExecuteResponse.encode(message).finish()))).toThrow('nests deeper');
  });

  test('cut anywhere throws or misses its end, and never reads beyond it', () => {
    const message = { replies: [{ index: 1, reply: messageOf([Buffer.alloc(100), 7, 'OK']) }] };
    const bytes = Buffer.from(ExecuteResponse.encode(message).finish());
    for (let end = 1; end < bytes.byteLength; end++) {
      expect(() => decodeReplies(Buffer.from(bytes.subarray(0, end)))).toThrow();
    }
  });
});
