/** HSCAN, SSCAN, ZSCAN key cursor [MATCH pattern] [COUNT count]: pages of a member table. */
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { scanCountMax } from '../../../limits.ts';
import type { Answer } from '../answer.ts';
import { notAnInteger, syntaxError, wordOf } from '../arguments.ts';
import type { Collections } from '../collections.ts';
import { compileGlob } from '../../../commands/glob.ts';
import { parseCount } from '../../../commands/int64.ts';
import type { Collection } from './collection.ts';
import type { TablePage } from './member-table.ts';

const invalidCursor = new ReplyError('ERR', 'invalid cursor');
const end = Buffer.from('0');
const pageMembers = 10;

/** A collection whose members lie in a table. */
export interface Paged extends Collection {
  page(cursor: number, count: number): TablePage;
  /** The name of the member at a place. */
  nameAt(place: number): string;
}

/** `itemsAt`: what is answered of a member. */
export function scanMembers<Type extends Paged>(
  collections: Collections<Type>,
  args: readonly Buffer[],
  itemsAt: (object: Type, place: number) => Buffer[],
): Answer<Reply> {
  const cursor = cursorOf(args[1]!);
  if (cursor === undefined) return invalidCursor;
  return collections.read(args[0]!, (object) => {
    // As in Redis, options are looked at only where there is something to scan.
    if (object === undefined) return [end, []];
    const options = optionsOf(args.slice(2));
    if (options instanceof ReplyError) return options;
    const { from, to, next } = object.page(cursor, options.count);
    const items: Buffer[] = [];
    for (let place = from; place >= to; place--) {
      if (options.matches(object.nameAt(place))) items.push(...itemsAt(object, place));
    }
    return [Buffer.from(String(next)), items];
  });
}

/** Any number of 64 bits is a cursor to Redis; one beyond the members begins at the top. */
function cursorOf(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1');
  return /^[0-9]{1,20}$/.test(text) && BigInt(text) < 2n ** 64n ? Number(text) : undefined;
}

interface Options {
  readonly count: number;
  readonly matches: (name: string) => boolean;
}

function optionsOf(words: readonly Buffer[]): Options | ReplyError {
  let count = pageMembers;
  let matches = (_name: string): boolean => true;
  for (let index = 0; index < words.length; index += 2) {
    const word = wordOf(words[index]!);
    const value = words[index + 1];
    if (value === undefined || (word !== 'COUNT' && word !== 'MATCH')) return syntaxError;
    if (word === 'MATCH') {
      const glob = compileGlob(value.toString('latin1'));
      matches = (name) => glob.matches(name);
      continue;
    }
    const wanted = parseCount(value);
    if (wanted === undefined) return notAnInteger;
    if (wanted < 1) return syntaxError;
    count = Math.min(wanted, scanCountMax);
  }
  return { count, matches };
}
