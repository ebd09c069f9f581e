/**
 * What only Redis' protocol tells apart: kinds of reply that commands/reply.ts has not, because no other door shows
 * them. RESP2 shows each as the nearest kind that it has.
 */
import { type Reply, ReplyMap } from '../../commands/reply.ts';
import type { Resp3Shape } from '../../commands/table.ts';

export type RespReply =
  | Reply
  | SetReply
  | DoubleReply
  | TextReply
  | RespMap
  | PushReply
  | ErrorLine
  | ErrorBytes
  | typeof nilArray
  | RespReply[];

/** RESP2: an array. */
export class SetReply {
  readonly items: readonly RespReply[];

  constructor(items: readonly RespReply[]) {
    this.items = items;
  }
}

/** RESP2: bytes. */
export class DoubleReply {
  readonly text: Buffer;

  constructor(text: Buffer) {
    this.text = text;
  }
}

/** Text for people, a verbatim string. RESP2: bytes. */
export class TextReply {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A map whose values may be of these kinds. RESP2: an array of keys and values in turn. */
export class RespMap {
  readonly pairs: readonly (readonly [RespReply, RespReply])[];

  constructor(pairs: readonly (readonly [RespReply, RespReply])[]) {
    this.pairs = pairs;
  }
}

/** A fault by a code that only Redis' clients know. */
export class ErrorLine {
  readonly code: 'WRONGPASS' | 'NOPROTO';
  readonly message: string;

  constructor(code: ErrorLine['code'], message: string) {
    this.code = code;
    this.message = message;
  }
}

/** A fault that shows a client's own bytes as they are, its code before them. */
export class ErrorBytes {
  readonly line: Buffer;

  constructor(line: Buffer) {
    this.line = line;
  }
}

/** What no request asked for; the first item names its kind. RESP2: an array. */
export class PushReply {
  readonly items: readonly RespReply[];

  constructor(items: readonly RespReply[]) {
    this.items = items;
  }
}

/** Nil in place of an array, which RESP2 tells from other nils. */
export const nilArray = Symbol('nil array');

/** Commands with such a nil, by the number of arguments from which on they have it. */
export const nilArrayFrom: ReadonlyMap<string, number> = new Map([
  ['LPOP', 2],
  ['RPOP', 2],
  ['LMPOP', 0],
  ['ZMPOP', 0],
  // WITHSCORE.
  ['ZRANK', 3],
  ['ZREVRANK', 3],
]);

/** Text as bytes: status strings are for words such as OK. */
export function bulk(text: string): Buffer {
  return Buffer.from(text, 'utf8');
}

/** A reply as RESP3 shows it by the shape of its command. */
export function shapedReply(shape: Resp3Shape, reply: Reply, args: readonly Buffer[]): RespReply {
  if (shape === 'double') return withDoubles(reply);
  if (!Array.isArray(reply)) return reply;
  if (shape === 'set') return new SetReply(reply);
  if (shape === 'map') return new ReplyMap(pairsOf(reply));
  if (shape === 'values') return hasWord(args, 'WITHVALUES') ? pairsOf(reply) : reply;
  if (shape === 'scores') return hasWord(args, 'WITHSCORES') ? scored(reply) : reply;
  return args.length > 1 ? scored(reply) : reply.map((item, index) => (index % 2 === 1 ? withDoubles(item) : item));
}

function withDoubles(reply: Reply): RespReply {
  if (Buffer.isBuffer(reply)) return new DoubleReply(reply);
  return Array.isArray(reply) ? reply.map((item) => withDoubles(item)) : reply;
}

function pairsOf(items: readonly Reply[]): [Reply, Reply][] {
  const pairs: [Reply, Reply][] = [];
  for (let index = 0; index + 1 < items.length; index += 2) pairs.push([items[index]!, items[index + 1]!]);
  return pairs;
}

function scored(items: readonly Reply[]): RespReply {
  return pairsOf(items).map(([member, score]) => [member, withDoubles(score)]);
}

function hasWord(args: readonly Buffer[], word: string): boolean {
  return args.some(
    (argument) => argument.byteLength === word.length && argument.toString('latin1').toUpperCase() === word,
  );
}
