import { describe, expect, test } from 'vitest';
import { quantile, ratiosOf, summaryOf } from './statistics.ts';

describe('statistics', () => {
  test('a quantile between two samples lies between them in proportion', () => {
    expect(quantile([10, 20], 0.5)).toBe(15);
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([7], 0.999)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });

  test('a summary tells median, extremes and half the distance of the quartiles, in whatever order samples come', () => {
    expect(summaryOf([90, 100, 110, 80, 500])).toEqual({ median: 100, low: 80, high: 500, spread: 0.1 });
  });

  test('samples that are all the same have no spread, even at zero', () => {
    expect(summaryOf([0, 0, 0]).spread).toBe(0);
  });

  test('ratios pair figures of the same round and leave out rounds that miss one', () => {
    expect(ratiosOf([10, 20, undefined, 40], [5, undefined, 6, 10])).toEqual([2, 4]);
  });
});
