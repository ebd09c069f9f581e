import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grpcReceiveStepBytes } from '../limits.ts';
import { ByteBudget } from './byte-budget.ts';
import { MessageReader } from './message-reader.ts';
import { framed } from './method.ts';
import { GrpcError, grpcStatus } from './status.ts';

function wire(...messages: Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => framed(message)));
}

function* chunksOf(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let index = 0; at < bytes.byteLength; index++) {
    const size = sizes[index % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('a message reader', () => {
  it('finds the messages however their bytes are cut', () => {
    const message = fc
      .oneof({ weight: 9, arbitrary: fc.nat(600) }, { weight: 1, arbitrary: fc.integer({ min: 4_000, max: 9_000 }) })
      .chain((length) => fc.nat(255).map((fill) => Buffer.alloc(length, fill)));
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), sizes, (messages, cuts) => {
        const budget = new ByteBudget(1_000_000);
        const found: Buffer[] = [];
        const reader = new MessageReader(10_000, budget, (bytes, compressed, reserved) => {
          expect(compressed).toBe(false);
          expect(reserved).toBe(bytes.byteLength);
          budget.release(reserved);
          found.push(Buffer.from(bytes));
        });
        for (const chunk of chunksOf(wire(...messages), cuts)) reader.push(chunk);
        expect(found).toEqual(messages);
        expect(reader.partial).toBe(false);
        expect(budget.used).toBe(0);
      }),
    );
  });

  it('takes little memory for a claimed length, and more as bytes arrive', () => {
    const budget = new ByteBudget(200_000_000);
    const reader = new MessageReader(100_000_000, budget, () => undefined);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(90_000_000, 1);
    reader.push(prefix);
    expect(budget.used).toBe(0);
    reader.push(Buffer.alloc(1));
    expect(budget.used).toBe(grpcReceiveStepBytes);
    reader.push(Buffer.alloc(grpcReceiveStepBytes));
    expect(budget.used).toBe(grpcReceiveStepBytes * 8);
    expect(reader.partial).toBe(true);
    reader.abandon();
    expect(budget.used).toBe(0);
    expect(reader.partial).toBe(false);
  });

  it('takes bytes that have come where they belong as they lie', () => {
    const found: Buffer[] = [];
    const reader = new MessageReader(2 ** 31, undefined, (bytes) => found.push(bytes));
    const message = Buffer.alloc(300_000, 'a pattern of thirty-one letters');
    const bytes = wire(message);
    expect(reader.whereNext(bytes.byteLength)).toBe(undefined);
    let at = 20_000;
    reader.push(bytes.subarray(0, at));
    for (let place = reader.whereNext(100_000); place !== undefined; place = reader.whereNext(100_000)) {
      bytes.copy(place, 0, at, at + place.byteLength);
      at += place.byteLength;
      reader.push(place);
    }
    expect(found).toHaveLength(1);
    expect(found[0]!.equals(message)).toBe(true);
    expect(reader.partial).toBe(false);
  });

  it('keeps the bytes of a message that grew', () => {
    const message = Buffer.alloc(grpcReceiveStepBytes * 9, 'a pattern of thirty-one letters');
    const found: Buffer[] = [];
    const reader = new MessageReader(2 ** 31, undefined, (bytes) => found.push(bytes));
    for (const chunk of chunksOf(wire(message), [65_536, 16_393])) reader.push(chunk);
    expect(found[0]!.equals(message)).toBe(true);
    expect(found[0]!.buffer.byteLength).toBe(message.byteLength);
  });

  it.each([
    ['too long a message', 1, 1001, grpcStatus.RESOURCE_EXHAUSTED],
    ['one beyond the budget', 0, 900, grpcStatus.RESOURCE_EXHAUSTED],
    ['an unknown flag', 7, 3, grpcStatus.INTERNAL],
  ])('refuses %s by its prefix', (_, flag, length, code) => {
    const reader = new MessageReader(1_000, new ByteBudget(500), () => undefined);
    const prefix = Buffer.alloc(5);
    prefix[0] = flag;
    prefix.writeUInt32BE(length, 1);
    let fault: unknown;
    try {
      reader.push(prefix);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeInstanceOf(GrpcError);
    expect(fault).toMatchObject({ code });
  });
});

describe('a framed message', () => {
  it('is its parts behind one prefix, large ones uncopied', () => {
    const large = Buffer.alloc(20_000, 1);
    const parts = framed([Buffer.from('head'), large, Buffer.from('tail')]);
    expect(parts[2]).toBe(large);
    expect(Buffer.concat(parts)).toEqual(
      Buffer.concat([Buffer.from([0, 0, 0, 0x4e, 0x28]), Buffer.from('head'), large, Buffer.from('tail')]),
    );
    expect(framed(large)[1]).toBe(large);
    expect(Buffer.concat(framed([]))).toEqual(Buffer.alloc(5));
  });
});
