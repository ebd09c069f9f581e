/**
 * Keys and values as JSON. A value that is valid UTF-8 is text; any other is base64, and `"encoding":"base64"` says so.
 * Keys are told in the same way, where an answer lists them as objects.
 *
 * S1 answers maps from key to value, and a map has room for text alone. There a value's encoding stands in a map of its
 * own beside it (`encodings`), and what has a key of other bytes in a list (`binary`): S1's clients find their shapes
 * unchanged, and nobody gets bytes that are not the key's.
 */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import type { Reply } from '../../../commands/reply.ts';

export const encodings = ['utf8', 'base64'] as const;
export type Encoding = (typeof encodings)[number];

export const encodingSchema = z.literal('base64').meta({ description: 'There where the bytes are not valid UTF-8.' });

export interface ShownBytes {
  readonly text: string;
  readonly encoding?: 'base64';
}

export function shown(bytes: Buffer): ShownBytes {
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { text: bytes.toString('base64'), encoding: 'base64' };
}

/** A key in a list of keys. */
export function shownKey(bytes: Buffer): { key: string; encoding?: 'base64' } {
  const { text, encoding } = shown(bytes);
  return encoding === undefined ? { key: text } : { key: text, encoding };
}

/** Undefined where the text is no base64: Node itself would skip what does not fit in silence. */
export function bytesOfText(text: string, encoding: Encoding | undefined): Buffer | undefined {
  if (encoding !== 'base64') return Buffer.from(text, 'utf8');
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined;
}

/** What GET and its kin answer for a value; numbers and texts of ours are text to HTTP's clients. */
export function valueBytes(reply: Reply): Buffer {
  if (Buffer.isBuffer(reply)) return reply;
  if (typeof reply === 'object') throw new Error('the executor answered with no value');
  return Buffer.from(String(reply));
}

export const binaryPairSchema = z.object({
  key: z.string().meta({ description: 'base64' }),
  value: z.string(),
  encoding: encodingSchema.optional(),
});

/** Keys and values as S1 maps them. */
export const pairsShape = {
  results: z.record(z.string(), z.string()),
  encodings: z
    .record(z.string(), z.literal('base64'))
    .optional()
    .meta({ description: 'Of those results that are not text. Absent where all are.' }),
  binary: z.array(binaryPairSchema).optional().meta({ description: 'What has a key that is not text.' }),
};

export interface ShownPairs {
  readonly results: Record<string, string>;
  readonly encodings?: Record<string, 'base64'>;
  readonly binary?: z.infer<typeof binaryPairSchema>[];
}

export function shownPairs(pairs: readonly (readonly [key: Buffer, value: Buffer])[]): ShownPairs {
  const results: [string, string][] = [];
  const encodings: [string, 'base64'][] = [];
  const binary: z.infer<typeof binaryPairSchema>[] = [];
  for (const [key, value] of pairs) {
    const name = shown(key);
    const { text, encoding } = shown(value);
    if (name.encoding !== undefined) binary.push({ key: name.text, value: text, ...(encoding && { encoding }) });
    else {
      results.push([name.text, text]);
      if (encoding) encodings.push([name.text, encoding]);
    }
  }
  return {
    results: Object.fromEntries(results),
    ...(encodings.length > 0 && { encodings: Object.fromEntries(encodings) }),
    ...(binary.length > 0 && { binary }),
  };
}
