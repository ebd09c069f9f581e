import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grpcErrorTextMax } from '../limits.ts';
import { decodeGrpcMessage, encodeGrpcMessage, endOfHeaders, grpcStatus, statusName } from './status.ts';
import { formatTimeout, parseTimeout } from './timeout.ts';

describe('grpc-message', () => {
  it('gives back every text, in printable ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const encoded = encodeGrpcMessage(text);
        expect(encoded).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeGrpcMessage(encoded)).toBe(text);
      }),
    );
  });

  it('bounds a text, and keeps one that is badly encoded', () => {
    expect(encodeGrpcMessage('x'.repeat(grpcErrorTextMax * 2)).length).toBeLessThan(grpcErrorTextMax + 20);
    expect(decodeGrpcMessage('100 % sure')).toBe('100 % sure');
  });
});

describe('the status in headers', () => {
  it('comes with its text and the metadata beside it', () => {
    const headers = {
      ':path': '/x',
      'grpc-status': '5',
      'grpc-message': 'no%20key',
      hint: 'look',
      'content-type': 'x',
    };
    expect(endOfHeaders(headers)).toEqual({
      code: grpcStatus.NOT_FOUND,
      details: 'no key',
      metadata: { hint: 'look' },
      neverProcessed: false,
    });
  });

  it('is UNKNOWN where gRPC knows no such number, and none where there is none', () => {
    expect(endOfHeaders({ 'grpc-status': '77' })?.code).toBe(grpcStatus.UNKNOWN);
    expect(endOfHeaders({ 'grpc-status': 'x' })?.code).toBe(grpcStatus.UNKNOWN);
    expect(endOfHeaders({})).toBeUndefined();
  });

  it('has a name', () => {
    expect(Object.entries(grpcStatus).every(([name, code]) => statusName(code) === name)).toBe(true);
    expect(statusName(77)).toBe('77');
  });
});

describe('grpc-timeout', () => {
  it('is at most eight digits, and never shorter than asked', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e14, noNaN: true }), (timeoutMs) => {
        const text = formatTimeout(timeoutMs);
        expect(text).toMatch(/^\d{1,8}[HSm]$/);
        if (timeoutMs < 3e14) expect(parseTimeout(text)!).toBeGreaterThanOrEqual(timeoutMs);
      }),
    );
  });

  it('has six units', () => {
    const texts = ['2H', '2M', '2S', '2m', '2u', '2n'];
    expect(texts.map(parseTimeout)).toEqual([7_200_000, 120_000, 2_000, 2, 0.002, 0.000_002]);
    expect(['', '2', 'S', '123456789S', '-1S', '1.5S', '2s', ' 2S'].map(parseTimeout)).toEqual(
      Array.from({ length: 8 }, () => undefined),
    );
  });
});
