/**
 * Hashes, lists, sets and sorted sets in answers that list many keys: beside the map of texts, each with its type and,
 * where it is small, its value as JSON. S1's clients find texts alone in its map, as they expect.
 *
 * What a collection takes is known before it is read, so neither one of them nor all together are more than an answer
 * may hold. What is left out is told with its size, and read by its key.
 */
import { z } from 'zod';
import type { CommandContext } from '../../../commands/command.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { httpListedValueBytesMax } from '../../../limits.ts';
import type { Run } from './rest-parts.ts';
import { type KeyInfo, readInfo, readKnown } from './stored-value.ts';
import { encodingSchema, shownKey } from './value-json.ts';

const collectionSchema = z.object({
  key: z.string(),
  encoding: encodingSchema.optional(),
  type: z.string().meta({ description: 'hash, list, set or zset.' }),
  bytes: z.int().meta({ description: 'As it is stored.' }),
  value: z
    .unknown()
    .optional()
    .meta({
      description: `JSON, as GET /api/v1/get/{key} shows it; absent above ${httpListedValueBytesMax} bytes.`,
    }),
  value_encoding: encodingSchema.optional(),
});
export type ListedCollection = z.infer<typeof collectionSchema>;

export const collectionsShape = {
  collections: z.array(collectionSchema).optional().meta({ description: 'Keys that hold no text.' }),
};

export interface ListedCollections {
  readonly collections: readonly ListedCollection[];
  /** Of the values that are shown. */
  readonly bytes: number;
}

/** Those of the keys that are there, with up to `bytesMax` of their values. */
export async function listCollections(
  run: Run,
  keys: readonly Buffer[],
  bytesMax: number,
  context: CommandContext,
): Promise<ListedCollections | ReplyError> {
  const infos = await Promise.all(keys.map((key) => readInfo(run, key, context)));
  const present: { readonly key: Buffer; readonly info: KeyInfo; readonly isRead: boolean }[] = [];
  let bytes = 0;
  for (const [place, info] of infos.entries()) {
    if (info instanceof ReplyError) return info;
    if (info === undefined) continue;
    const isRead = info.bytes <= httpListedValueBytesMax && bytes + info.bytes <= bytesMax;
    if (isRead) bytes += info.bytes;
    present.push({ key: keys[place]!, info, isRead });
  }
  const shown = await Promise.all(
    present.map(async ({ key, info, isRead }) => (isRead ? valueOf(run, key, info, context) : {})),
  );
  const collections: ListedCollection[] = [];
  for (const [place, { key, info }] of present.entries()) {
    const value = shown[place]!;
    if (value instanceof ReplyError) return value;
    collections.push({ ...shownKey(key), type: info.type, bytes: info.bytes, ...value });
  }
  return { collections, bytes };
}

type ShownValue = Pick<ListedCollection, 'value' | 'value_encoding'>;

async function valueOf(
  run: Run,
  key: Buffer,
  info: KeyInfo,
  context: CommandContext,
): Promise<ShownValue | ReplyError> {
  const value = await readKnown(run, key, info, context);
  if (value.kind === 'json') {
    return { value: JSON.parse(value.json) as unknown, ...(value.encoding && { value_encoding: value.encoding }) };
  }
  // It has gone or become something else since its type was asked for.
  if (value.kind !== 'failed' || value.error.code === 'WRONGTYPE') return {};
  return value.error;
}
