/**
 * The kinds of value that a setting can have: how each is parsed (zod), described in an error, and written back.
 *
 * A type's `expected` completes the sentence "it must be …", so that every fault tells what would be right.
 */
import { z } from 'zod';
import {
  formatBytes,
  formatDurationMs,
  parseBytes,
  parseDurationMs,
  parsePercent,
  parseShare,
  type Written,
} from './units.ts';

/** Tokens and secrets: what an HTTP header carries as it stands. */
export const tokenPattern = /^[\x21-\x7e]+$/;
export const passwordPattern = /^[^\r\n\0]+$/;

export interface SettingType<Value> {
  /** Takes what a flag, the environment or a file gives. Its only issue's message is `expected`. */
  readonly schema: z.ZodType<Value>;
  readonly expected: string;
  /** The form that documents and `kvcache config` show, which also reads back. */
  readonly format: (value: Value) => string;
  /** What a flag's help shows as its argument, such as `size`. */
  readonly placeholder: string;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function within(range: Range, format: (value: number) => string): string {
  if (range.min !== undefined && range.max !== undefined) return `, from ${format(range.min)} to ${format(range.max)}`;
  if (range.min !== undefined) return `, at least ${format(range.min)}`;
  return range.max === undefined ? '' : `, at most ${format(range.max)}`;
}

function parsed<Value>(
  placeholder: string,
  expected: string,
  parse: (written: Written) => Value | undefined,
  format: (value: Value) => string,
): SettingType<Value> {
  const schema = z.union([z.string(), z.number()], { error: expected }).transform((written, context) => {
    const value = parse(written);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
  return { schema, expected, format, placeholder };
}

function quantity(
  placeholder: string,
  example: string,
  parse: (written: Written) => number | undefined,
  format: (value: number) => string,
  range: Range,
): SettingType<number> {
  const inRange = (written: Written): number | undefined => {
    const value = parse(written);
    if (value === undefined || value < (range.min ?? 0) || value > (range.max ?? Infinity)) return undefined;
    return value;
  };
  return parsed(placeholder, `${example}${within(range, format)}`, inRange, format);
}

/** Bytes. */
export function size(range: Range = {}): SettingType<number> {
  return quantity('size', 'a size such as 64MiB, 1GB or a number of bytes', parseBytes, formatBytes, range);
}

/** Milliseconds. */
export function duration(range: Range = {}): SettingType<number> {
  return quantity(
    'time',
    'a duration such as 500ms, 60s, 2h or a number of seconds',
    parseDurationMs,
    formatDurationMs,
    range,
  );
}

/** 0 to 1. */
export function share(range: Range = {}): SettingType<number> {
  return quantity('share', 'a share such as 0.5 or 50%', parseShare, String, range);
}

/** 0 to 100. */
export function percent(range: Range = {}): SettingType<number> {
  return quantity('percent', 'a percentage such as 80, 80% or 0.8', parsePercent, (value) => `${value}%`, range);
}

/** A part of another size: a share of it, or bytes. Resolved by derive.ts. */
export type SizeOrShare = { readonly share: number } | { readonly bytes: number };

/** Bytes, or a percentage of the size that `whole` names. */
export function sizeOrShare(whole: string): SettingType<SizeOrShare> {
  return parsed<SizeOrShare>(
    'size',
    `a size such as 5GiB, or a percentage of ${whole} such as 50%`,
    (written) => {
      const isShare = typeof written === 'string' && written.trim().endsWith('%');
      const value = isShare ? parseShare(written) : parseBytes(written);
      if (value === undefined || value === 0) return undefined;
      return isShare ? { share: value } : { bytes: value };
    },
    (value) => ('share' in value ? `${value.share * 100}%` : formatBytes(value.bytes)),
  );
}

export function integer(range: Range): SettingType<number> {
  const parse = (written: Written): number | undefined => {
    const isNumber = typeof written === 'number' || /^\d+$/.test(written.trim());
    return isNumber && Number.isSafeInteger(Number(written)) ? Number(written) : undefined;
  };
  return quantity('number', 'a whole number', parse, String, range);
}

/** A TCP port; 0 lets the system choose. */
export function port(): SettingType<number> {
  return { ...integer({ min: 0, max: 65_535 }), placeholder: 'port', expected: 'a port, from 0 to 65535' };
}

export function boolean(): SettingType<boolean> {
  const expected = 'true or false';
  const words = new Map([
    ['true', true],
    ['false', false],
    ['1', true],
    ['0', false],
    ['yes', true],
    ['no', false],
    ['on', true],
    ['off', false],
  ]);
  const schema = z.union([z.boolean(), z.string(), z.number()], { error: expected }).transform((written, context) => {
    const value = typeof written === 'boolean' ? written : words.get(String(written).trim().toLowerCase());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
  return { schema, expected, format: String, placeholder: 'boolean' };
}

/** One of a few words, in any case. */
export function choice<const Word extends string>(words: readonly Word[]): SettingType<Word> {
  const expected = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  return parsed(
    words.join('|'),
    expected,
    (written) => words.find((word) => word === String(written).trim().toLowerCase()),
    String,
  );
}

/** Text that `pattern` matches as a whole; not empty. */
export function text(placeholder: string, expected: string, pattern = /[^]/): SettingType<string> {
  return parsed(
    placeholder,
    expected,
    (written) => (String(written) !== '' && pattern.test(String(written)) ? String(written) : undefined),
    String,
  );
}

export function path(): SettingType<string> {
  return text('path', 'a path');
}

export function host(): SettingType<string> {
  return text('host', 'a host name or an address such as 127.0.0.1', /^[\w.:%-]+$/);
}

/** What fits into an HTTP header as it stands. */
export function token(): SettingType<string> {
  return text('token', 'printable ASCII characters without spaces', tokenPattern);
}

export function password(): SettingType<string> {
  return text('password', 'one line of text', passwordPattern);
}

function shownAnything(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Anything at all: for names that other systems' files have and this one ignores. */
export function anything(): SettingType<unknown> {
  return { schema: z.unknown(), expected: 'anything', format: shownAnything, placeholder: 'value' };
}
