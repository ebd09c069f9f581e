import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageParts } from '../../grpc/method.ts';
import { LookupRequest, PromptChunk, ReadResponse, WriteRequest } from '../../protos/generated/kvstore.ts';
import { decodeLookup, decodeWrite, encodeRead } from './block-codec.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyToken = fc.oneof(fc.bigInt({ min: 0n, max: 300_000n }), int64);
const chunk = fc.record({
  hash: uint64,
  partitionKey: fc.string(),
  parentHash: uint64,
  buffer: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  tokens: fc.array(anyToken, { maxLength: 200 }),
  completionId: fc.string(),
});

function bytesOfTokens(tokens: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(tokens.length * 8);
  tokens.forEach((token, index) => bytes.writeBigInt64BE(token, index * 8));
  return bytes;
}

function joined(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts);
}

describe('the block codec', () => {
  it('reads lookups as the generated code does', () => {
    const request = fc.record({
      accountUrl: fc.string(),
      containerName: fc.string(),
      partitionKey: fc.string(),
      completionId: fc.string(),
      tokens: fc.array(anyToken, { maxLength: 300 }),
      precomputedHashes: fc.array(uint64, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(request, ({ tokens, precomputedHashes, ...fields }) => {
        const bytes = Buffer.from(LookupRequest.encode({ ...fields, tokens, precomputedHashes }).finish());
        expect(decodeLookup(bytes)).toEqual({
          ...fields,
          tokens: bytesOfTokens(tokens),
          tokenCount: tokens.length,
          hashes: precomputedHashes,
        });
      }),
    );
  });

  it('reads writes as the generated code does and gives back what was written', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.option(chunk, { nil: undefined }),
        (accountUrl, containerName, value) => {
          const bytes = Buffer.from(WriteRequest.encode({ accountUrl, containerName, chunk: value }).finish());
          const write = decodeWrite(bytes);
          expect(write).toMatchObject({ accountUrl, containerName });
          expect(write.chunk === undefined).toBe(value === undefined);
          if (!value || !write.chunk) return;
          const { hash, parentHash, partitionKey, tokens, tokenCount, body, meta } = write.chunk;
          expect({ hash, parentHash, partitionKey, tokenCount }).toEqual({
            hash: value.hash,
            parentHash: value.parentHash,
            partitionKey: value.partitionKey,
            tokenCount: value.tokens.length,
          });
          expect(tokens).toEqual(bytesOfTokens(value.tokens));
          expect(PromptChunk.decode(meta)).toEqual({ ...value, buffer: Buffer.alloc(0) });
          const metrics = { storageLatencyUs: 1n, totalLatencyUs: 300n, overheadUs: 0n };
          const response = ReadResponse.decode(joined(encodeRead({ block: { meta, body }, metrics })));
          expect(response).toEqual({ found: true, success: true, error: '', chunk: value, serverMetrics: metrics });
        },
      ),
    );
  });

  it('does not copy a buffer, and keeps nothing else of its message alive', () => {
    const buffer = Buffer.alloc(1_200_000, 7);
    const value = { hash: 1n, partitionKey: 'p', parentHash: 0n, buffer, tokens: [5n], completionId: '' };
    const encoded = WriteRequest.encode({ accountUrl: 'a', containerName: 'c', chunk: value }).finish();
    const message = Buffer.from(encoded);
    const write = decodeWrite(message);
    expect(write.chunk!.body.buffer).toBe(message.buffer);
    expect(write.chunk!.meta.buffer.byteLength).toBe(write.chunk!.meta.byteLength);
    const { meta, body } = write.chunk!;
    const metrics = { storageLatencyUs: 0n, totalLatencyUs: 0n, overheadUs: 0n };
    const parts = encodeRead({ block: { meta, body }, metrics }) as Uint8Array[];
    expect(parts[1]).toBe(body);
  });

  it('answers a miss as found=false, success=true', () => {
    const metrics = { storageLatencyUs: 4n, totalLatencyUs: 5n, overheadUs: 1n };
    const response = ReadResponse.decode(joined(encodeRead({ block: undefined, metrics })));
    expect(response).toEqual({ found: false, success: true, error: '', chunk: undefined, serverMetrics: metrics });
  });

  it('keeps fields that it does not know', () => {
    const known = PromptChunk.encode({
      hash: 1n,
      partitionKey: 'p',
      parentHash: 2n,
      buffer: Buffer.from('body'),
      tokens: [1n, 2n],
      completionId: '',
    }).finish();
    const unknown = Buffer.from([0xfa, 0x06, 0x02, 0x68, 0x69]);
    const inner = Buffer.concat([known, unknown]);
    const message = Buffer.concat([Buffer.from([0x1a, inner.byteLength]), inner, unknown]);
    const { meta, body } = decodeWrite(message).chunk!;
    expect(body.toString()).toBe('body');
    expect(meta.subarray(-5)).toEqual(unknown);
  });

  it('takes tokens and hashes that are not packed', () => {
    const message = Buffer.from([0x28, 0x05, 0x28, 0x07, 0x30, 0x09, 0x2a, 0x01, 0x0b]);
    const lookup = decodeLookup(message);
    expect(lookup.tokens).toEqual(bytesOfTokens([5n, 7n, 11n]));
    expect(lookup.hashes).toEqual([9n]);
  });

  it('throws for bytes that are no message, and never hangs', () => {
    for (const bytes of [[0x1a, 0xff, 0x01], [0x2a, 0x02, 0x80, 0x80], [0x0a], [0x07]]) {
      expect(() => decodeWrite(Buffer.from(bytes)) && decodeLookup(Buffer.from(bytes))).toThrow();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeWrite, decodeLookup]) {
          try {
            decode(Buffer.from(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
    );
  });
});
