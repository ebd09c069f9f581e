import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MessageParts } from '../grpc/method.ts';
import { LookupRequest, PromptChunk, ReadResponse, WriteRequest } from '../protos/generated/kvstore.ts';
import { decodeRead, encodeLookup, encodeWrite } from './prompt-codec.ts';

const token = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const hash = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.string({ unit: 'binary' }).map((value) => value.toWellFormed());
const chunk = fc.record({
  hash,
  parentHash: hash,
  partitionKey: text,
  completionId: text,
  tokens: fc.array(fc.oneof(token, fc.bigInt({ min: 0n, max: 300n })), { maxLength: 200 }),
  buffer: fc.uint8Array({ maxLength: 1000 }).map((bytes) => Buffer.from(bytes)),
});

function joined(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts);
}

describe('messages of prompt blocks', () => {
  test('written by us are read the same by the generated code', () => {
    fc.assert(
      fc.property(chunk, text, text, (chunk, accountUrl, containerName) => {
        const outgoing = { ...chunk, tokens: BigInt64Array.from(chunk.tokens) };
        const bytes = joined(encodeWrite({ accountUrl, containerName, chunk: outgoing }));
        expect(WriteRequest.decode(bytes)).toEqual({ accountUrl, containerName, chunk });
      }),
    );
  });

  test('of a lookup written by us are read the same by the generated code', () => {
    fc.assert(
      fc.property(chunk, fc.array(hash), ({ tokens, partitionKey, completionId }, hashes) => {
        const fields = { accountUrl: 'account', containerName: 'container', partitionKey, completionId };
        const bytes = joined(encodeLookup({ ...fields, tokens: BigInt64Array.from(tokens), hashes }));
        expect(LookupRequest.decode(bytes)).toEqual({ ...fields, tokens, precomputedHashes: hashes });
      }),
    );
  });

  test('written by the generated code are read the same by us, unknown fields included', () => {
    fc.assert(
      fc.property(chunk, fc.boolean(), text, (chunk, found, error) => {
        const response = { found, success: true, error, chunk, serverMetrics: undefined };
        const writer = ReadResponse.encode(response)
          .uint32((99 << 3) | 2)
          .string('from a newer server');
        const read = decodeRead(Buffer.from(writer.finish()));
        expect(read).toEqual({ ...response, chunk: { ...chunk, tokens: BigInt64Array.from(chunk.tokens) } });
      }),
    );
  });

  test('share the memory of the buffers that they carry', () => {
    const buffer = Buffer.alloc(100_000, 7);
    const block = { hash: 1n, parentHash: 0n, partitionKey: 'p', completionId: '', tokens: [], buffer };
    const parts = encodeWrite({
      accountUrl: 'a',
      containerName: 'c',
      chunk: { ...block, tokens: new BigInt64Array(0) },
    }) as Uint8Array[];
    expect(parts.at(-1)).toBe(buffer);
    const message = Buffer.from(
      ReadResponse.encode(ReadResponse.fromPartial({ found: true, chunk: PromptChunk.fromPartial(block) })).finish(),
    );
    expect(decodeRead(message).chunk!.buffer.buffer).toBe(message.buffer);
  });

  test('that are no protobuf throw', () => {
    expect(() => decodeRead(Buffer.from([0x12, 0xff, 0x01]))).toThrow();
  });
});
