import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mebibytes, quantityBytes, quantityValue } from './quantity.ts';

describe('quantities', () => {
  it('are read in every form of Kubernetes', () => {
    const cases = { '1': 1, '500m': 0.5, '1.5Gi': 1.5 * 2 ** 30, '.5k': 500, '1e3': 1_000, '2E': 2e18, '12E2': 1_200 };
    for (const [text, value] of Object.entries(cases)) expect(quantityValue(text)).toBe(value);
    expect(quantityValue(1_073_741_824)).toBe(2 ** 30);
  });

  it('that are none are refused with what would be right', () => {
    for (const text of ['', 'Gi', '1GB', '1 Gi', '-1']) expect(() => quantityValue(text)).toThrow('500m or 2Gi');
  });

  it('are written so that no byte is lost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 44 }), (bytes) => {
        const written = quantityBytes(mebibytes(bytes));
        expect(written).toBeGreaterThanOrEqual(bytes);
        expect(written - bytes).toBeLessThan(2 ** 20);
      }),
    );
    expect(mebibytes(2 ** 31)).toBe('2Gi');
  });
});
