/**
 * Keys whose value `GET /api/v1/get/{key}` shows as JSON, in answers that list many keys: hashes, lists, sets and sorted
 * sets, and lists, maps and Null of the binary protocol. They stand beside the map of texts, each with its type and,
 * where it is small, its value. S1's clients find texts alone in its map, as they expect.
 *
 * What a value takes is known before it is read, so neither one of them nor all together are more than an answer may
 * hold. What is left out is told with its size, and read by its key.
 */
import { z } from 'zod';
import type { CommandContext } from '../../../commands/command.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { httpListedValueBytesMax } from '../../../limits.ts';
import { parseExact } from './exact-json.ts';
import type { Run } from './rest-parts.ts';
import { type KeyInfo, readInfo, readKnown } from './stored-value.ts';
import { encodingSchema, shownKey } from './value-json.ts';

const otherSchema = z.object({
  key: z.string(),
  encoding: encodingSchema.optional(),
  type: z.string().meta({ description: 'hash, list, set, zset; array, map, null.' }),
  bytes: z.int().meta({ description: 'As it is stored.' }),
  value: z
    .unknown()
    .optional()
    .meta({
      description: `JSON, as GET /api/v1/get/{key} shows it; absent above ${httpListedValueBytesMax} bytes.`,
    }),
  value_encoding: encodingSchema.optional(),
});
export type ListedOther = z.infer<typeof otherSchema>;

export const othersShape = {
  others: z.array(otherSchema).optional().meta({ description: 'Keys whose values are no text.' }),
};

export interface ListedOthers {
  readonly others: readonly ListedOther[];
  /** Of the values that are shown. */
  readonly bytes: number;
}

/** A key and what is known of it; undefined: it is not there. */
export interface KnownKey {
  readonly key: Buffer;
  readonly info: KeyInfo | undefined;
}

export async function knownKeys(
  run: Run,
  keys: readonly Buffer[],
  context: CommandContext,
): Promise<readonly KnownKey[] | ReplyError> {
  const infos = await Promise.all(keys.map((key) => readInfo(run, key, context)));
  const known: KnownKey[] = [];
  for (const [place, info] of infos.entries()) {
    if (info instanceof ReplyError) return info;
    known.push({ key: keys[place]!, info });
  }
  return known;
}

/** Those of the keys that are there, with up to `bytesMax` of their values. */
export async function listOthers(
  run: Run,
  keys: readonly KnownKey[],
  bytesMax: number,
  context: CommandContext,
): Promise<ListedOthers | ReplyError> {
  let bytes = 0;
  const present = keys.flatMap(({ key, info }) => {
    if (info === undefined) return [];
    const isRead = info.bytes <= httpListedValueBytesMax && bytes + info.bytes <= bytesMax;
    if (isRead) bytes += info.bytes;
    return [{ key, info, isRead }];
  });
  const shown = await Promise.all(
    present.map(async ({ key, info, isRead }) => (isRead ? valueOf(run, key, info, context) : {})),
  );
  const others: ListedOther[] = [];
  for (const [place, { key, info }] of present.entries()) {
    const value = shown[place]!;
    if (value instanceof ReplyError) return value;
    others.push({ ...shownKey(key), type: info.type, bytes: info.bytes, ...value });
  }
  return { others, bytes };
}

type ShownValue = Pick<ListedOther, 'value' | 'value_encoding'>;

async function valueOf(
  run: Run,
  key: Buffer,
  info: KeyInfo,
  context: CommandContext,
): Promise<ShownValue | ReplyError> {
  const value = await readKnown(run, key, info, context);
  if (value.kind === 'json') {
    return { value: parseExact(value.json), ...(value.encoding && { value_encoding: value.encoding }) };
  }
  // It has gone or become something else since its type was asked for.
  if (value.kind !== 'failed' || value.error.code === 'WRONGTYPE') return {};
  return value.error;
}
