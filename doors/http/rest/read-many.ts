/**
 * The values of several keys: texts, and apart from them what is JSON (listed-others.ts).
 *
 * TEXT.MGET says WRONGTYPE of what is no text and nil of what is not there, so only those are asked about by themselves
 * that are no text, or text that may be of a list or a map. By MGET, which says nil of both, every miss would cost a
 * second look.
 */
import type { CommandContext } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { httpValueBytesMax } from '../../../limits.ts';
import { type KnownKey, knownKeys, type ListedOther, listOthers } from './listed-others.ts';
import type { Run } from './rest-parts.ts';
import { isJsonType, mayBeJson } from './stored-value.ts';
import { valueBytes } from './value-json.ts';

type Pair = readonly [key: Buffer, value: Buffer];

export interface ManyValues {
  readonly texts: readonly Pair[];
  readonly others: readonly ListedOther[];
}

/** Of keys that are there, in their order. No key may come twice. */
export async function readMany(
  run: Run,
  keys: readonly Buffer[],
  context: CommandContext,
): Promise<ManyValues | ReplyError> {
  const reply = await run('TEXT.MGET', keys, context);
  if (reply instanceof ReplyError) return reply;
  const texts: Found[] = [];
  let bytes = 0;
  for (const value of reply as Reply[]) {
    const found = foundOf(value);
    if (found instanceof ReplyError) return found;
    if (Buffer.isBuffer(found)) bytes += found.byteLength;
    texts.push(found);
  }
  if (bytes > httpValueBytesMax) {
    const message = `the values have ${bytes} bytes, more than ${httpValueBytesMax}: ask for fewer keys at a time`;
    return new ReplyError('TOOLARGE', message);
  }
  const apart = await keysApart(run, keys, texts, context);
  if (apart instanceof ReplyError) return apart;
  const listed = await listOthers(run, [...apart.values()], httpValueBytesMax - bytes, context);
  if (listed instanceof ReplyError) return listed;
  const pairs: Pair[] = [];
  for (const [place, text] of texts.entries()) {
    if (Buffer.isBuffer(text) && !apart.has(place)) pairs.push([keys[place]!, text]);
  }
  return { texts: pairs, others: listed.others };
}

/** A text, what is none, or nothing. */
type Found = Buffer | 'no text' | undefined;

function foundOf(value: Reply): Found | ReplyError {
  if (value === null) return undefined;
  if (value instanceof ReplyError) return value.code === 'WRONGTYPE' ? 'no text' : value;
  return valueBytes(value);
}

/** By their places, the keys that hold no text. */
async function keysApart(
  run: Run,
  keys: readonly Buffer[],
  texts: readonly Found[],
  context: CommandContext,
): Promise<ReadonlyMap<number, KnownKey> | ReplyError> {
  const unsure = [...keys.keys()].filter((place) => {
    const found = texts[place];
    return found === 'no text' || (found !== undefined && mayBeJson(found));
  });
  const known = await knownKeys(
    run,
    unsure.map((place) => keys[place]!),
    context,
  );
  if (known instanceof ReplyError) return known;
  const apart = new Map<number, KnownKey>();
  for (const [at, place] of unsure.entries()) {
    const key = known[at]!;
    if (texts[place] === 'no text' || isJsonType(key.info?.type)) apart.set(place, key);
  }
  return apart;
}
