/**
 * A stored value of any type as HTTP shows it: what reads as text through the text doors as bytes, and lists, maps and
 * collections as JSON.
 *
 * JSON that the engine has made of a list or a map is handed on as it is, for its numbers are exact and a number of
 * JavaScript is not. Collections have binary members; where one of them is not UTF-8, all of them are base64.
 */
import { isUtf8 } from 'node:buffer';
import type { CommandContext } from '../../../commands/command.ts';
import { type Reply, ReplyError, ReplyMap } from '../../../commands/reply.ts';
import type { Run } from './rest-parts.ts';
import { valueBytes } from './value-json.ts';

export type PresentValue =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** `json` is text of JSON. */
  | { readonly kind: 'json'; readonly json: string; readonly encoding?: 'base64' };

export type StoredValue =
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly error: ReplyError }
  | PresentValue;

/** Facts of KEY.INFO. */
export interface KeyInfo {
  readonly type: string;
  readonly bytes: number;
  readonly expireAtMs?: number;
  readonly tier: string;
}

type Show = (reply: Reply, text: (bytes: Reply) => string) => unknown;

/** How each collection is read whole, and what is made of its reply. */
const collections: Readonly<Record<string, { readonly command: readonly string[]; readonly show: Show }>> = {
  hash: {
    command: ['HGETALL'],
    show: (reply, text) => Object.fromEntries(pairsOf(reply).map(([field, value]) => [text(field), text(value)])),
  },
  list: { command: ['LRANGE', '0', '-1'], show: (reply, text) => (reply as Reply[]).map(text) },
  set: { command: ['SMEMBERS'], show: (reply, text) => (reply as Reply[]).map(text).sort() },
  zset: {
    command: ['ZRANGE', '0', '-1', 'WITHSCORES'],
    show: (reply, text) => pairsOf(reply).map(([member, score]) => [text(member), scoreOf(score)]),
  },
};

export async function readInfo(
  run: Run,
  key: Buffer,
  context: CommandContext,
): Promise<KeyInfo | undefined | ReplyError> {
  const reply = await run('KEY.INFO', [key], context);
  if (reply instanceof ReplyError) return reply;
  return Buffer.isBuffer(reply) ? (JSON.parse(reply.toString('utf8')) as KeyInfo) : undefined;
}

export async function readStored(run: Run, key: Buffer, context: CommandContext): Promise<StoredValue> {
  const reply = await run('GET', [key], context);
  if (reply === null) return { kind: 'absent' };
  const isCollection = reply instanceof ReplyError && reply.code === 'WRONGTYPE';
  if (reply instanceof ReplyError && !isCollection) return { kind: 'failed', error: reply };
  const bytes = isCollection ? undefined : valueBytes(reply);
  if (bytes !== undefined && !mayBeJson(bytes)) return { kind: 'bytes', bytes };
  const info = await readInfo(run, key, context);
  if (info instanceof ReplyError) return bytes ? { kind: 'bytes', bytes } : { kind: 'failed', error: info };
  return bytes === undefined
    ? readCollection(run, key, info, reply as ReplyError, context)
    : valueOfText(bytes, info?.type);
}

/** The same where it is known already what the key holds. */
export async function readKnown(run: Run, key: Buffer, info: KeyInfo, context: CommandContext): Promise<StoredValue> {
  if (collections[info.type] !== undefined) return readCollection(run, key, info, wrongType, context);
  const reply = await run('GET', [key], context);
  if (reply === null) return { kind: 'absent' };
  return reply instanceof ReplyError ? { kind: 'failed', error: reply } : valueOfText(valueBytes(reply), info.type);
}

const wrongType = new ReplyError('WRONGTYPE', 'the key holds a value that HTTP cannot show');

/** True for types of the binary protocol whose text is JSON: with Null, which is no text, and empty as one. */
export function isJsonType(type: string | undefined): boolean {
  return type === 'array' || type === 'map' || type === 'null';
}

function valueOfText(bytes: Buffer, type: string | undefined): PresentValue {
  if (type === 'null' && bytes.byteLength === 0) return { kind: 'json', json: 'null' };
  const isJson = isJsonType(type) && isValidJson(bytes);
  return isJson ? { kind: 'json', json: bytes.toString('utf8') } : { kind: 'bytes', bytes };
}

async function readCollection(
  run: Run,
  key: Buffer,
  info: KeyInfo | undefined,
  wrongType: ReplyError,
  context: CommandContext,
): Promise<StoredValue> {
  const how = info === undefined ? undefined : collections[info.type];
  if (how === undefined) return { kind: 'failed', error: wrongType };
  const [name, ...options] = how.command;
  const reply = await run(name!, [key, ...options], context);
  if (reply instanceof ReplyError) return { kind: 'failed', error: reply };
  const members: Buffer[] = [];
  how.show(reply, (item) => `${members.push(valueBytes(item))}`);
  const isText = members.every((member) => isUtf8(member));
  const shown = how.show(reply, (item) => valueBytes(item).toString(isText ? 'utf8' : 'base64'));
  return { kind: 'json', json: JSON.stringify(shown), ...(!isText && { encoding: 'base64' }) };
}

/** What text doors read of a list or a map begins with `[` or `{`; of Null it is nothing. */
export function mayBeJson(bytes: Buffer): boolean {
  return bytes.byteLength === 0 || bytes[0] === 0x5b || bytes[0] === 0x7b;
}

function isValidJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    // The key was written anew between the two looks: what was read is the text of a string.
    return false;
  }
}

function pairsOf(reply: Reply): (readonly [Reply, Reply])[] {
  if (reply instanceof ReplyMap) return reply.pairs;
  const flat = reply as Reply[];
  const pairs: (readonly [Reply, Reply])[] = [];
  for (let at = 0; at < flat.length; at += 2) pairs.push([flat[at]!, flat[at + 1]!]);
  return pairs;
}

/** JSON has no infinities: those stay text. */
function scoreOf(reply: Reply): number | string {
  const text = valueBytes(reply).toString('latin1');
  const score = Number(text);
  return Number.isFinite(score) ? score : text;
}
