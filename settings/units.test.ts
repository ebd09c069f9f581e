import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatBytes,
  formatDurationMs,
  parseBytes,
  parseDurationMs,
  parsePercent,
  parseShare,
  roundedBytes,
} from './units.ts';

const wholeNumber = fc.oneof(
  fc.maxSafeNat(),
  fc.tuple(fc.nat(2000), fc.constantFrom(1, 1e3, 1e6, 1e9, 1024, 1024 ** 2, 1024 ** 3)).map(([a, b]) => a * b),
);

test('every size that is formatted reads back as the same number', () => {
  fc.assert(fc.property(wholeNumber, (bytes) => parseBytes(formatBytes(bytes)) === bytes));
});

test('every duration that is formatted reads back as the same number', () => {
  fc.assert(fc.property(wholeNumber, (durationMs) => parseDurationMs(formatDurationMs(durationMs)) === durationMs));
});

test('parsers never throw and never answer anything but a number in range or undefined', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double()), (written) => {
      for (const parse of [parseBytes, parseDurationMs]) {
        const value = parse(written);
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
      }
      expect(parseShare(written) ?? 0).toBeLessThanOrEqual(1);
      expect(parsePercent(written) ?? 0).toBeLessThanOrEqual(100);
    }),
  );
});

test('sizes take decimal and binary units, fractions and plain bytes', () => {
  expect(parseBytes(1024)).toBe(1024);
  expect(parseBytes('1024')).toBe(1024);
  expect(parseBytes('64MiB')).toBe(64 * 1024 * 1024);
  expect(parseBytes('64 mib')).toBe(64 * 1024 * 1024);
  expect(parseBytes('1GB')).toBe(1_000_000_000);
  expect(parseBytes('1.1GB')).toBe(1_100_000_000);
  expect(parseBytes('1.5KiB')).toBe(1536);
});

test('what is no whole number of bytes is refused', () => {
  for (const written of ['', 'MiB', '-1', '1e3', '0.5B', '12 parsecs', '1M', '9999999TiB', Number.NaN, -1]) {
    expect(parseBytes(written), String(written)).toBeUndefined();
  }
});

test('a plain number is seconds in a duration', () => {
  expect(parseDurationMs(60)).toBe(60_000);
  expect(parseDurationMs('60')).toBe(60_000);
  expect(parseDurationMs('0.5')).toBe(500);
  expect(parseDurationMs('500ms')).toBe(500);
  expect(parseDurationMs('1.5h')).toBe(5_400_000);
  expect(parseDurationMs('7d')).toBe(604_800_000);
  expect(parseDurationMs('1 week')).toBeUndefined();
  expect(parseDurationMs('0.1ms')).toBeUndefined();
});

test('shares and percentages take a percent sign', () => {
  expect(parseShare('50%')).toBe(0.5);
  expect(parseShare(0.25)).toBe(0.25);
  expect(parseShare(2)).toBeUndefined();
  expect(parsePercent('80%')).toBe(80);
  expect(parsePercent(80)).toBe(80);
  expect([0.8, '0.29', '0.8%', 1, 0].map(parsePercent)).toEqual([80, 29, 0.8, 1, 0]);
  expect(parsePercent('101')).toBeUndefined();
  expect(parsePercent('80 MB')).toBeUndefined();
});

test('tables show three digits', () => {
  expect(roundedBytes(0)).toBe('0 B');
  expect(roundedBytes(1023)).toBe('1023 B');
  expect(roundedBytes(1536)).toBe('1.50 KiB');
  expect(roundedBytes(1023 * 1024)).toBe('1023 KiB');
});
