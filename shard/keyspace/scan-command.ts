/** PREFIXSCAN cursor prefix count KEYS|VALUES. How pages are made: scan.ts. */
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { isText, textOf } from '../../commands/typed-text.ts';
import { scanCountMax } from '../../limits.ts';
import type { Entry } from '../journal.ts';
import { notAnInteger, parseInteger, syntaxError, wordOf } from './arguments.ts';
import type { CommandFamily } from './handler.ts';
import type { Keyspace } from './keyspace.ts';
import { decodeCursor, encodeCursor, scanPage } from './scan.ts';
import { allOf, andThen, type Answer } from './answer.ts';
import { nameOf } from './key-hash.ts';

export function scanCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['PREFIXSCAN', (args) => prefixScan(keyspace, args)],
    ['DBSIZE', () => keyspace.countKeys()],
  ];
}

function prefixScan(keyspace: Keyspace, args: readonly Buffer[]): Answer<Reply> {
  const [cursor, prefix, countArgument, kind] = args as [Buffer, Buffer, Buffer, Buffer];
  const from = decodeCursor(cursor);
  if (from === undefined) return new ReplyError('ERR', 'invalid cursor');
  const count = parseInteger(countArgument);
  if (count === undefined) return notAnInteger;
  const word = wordOf(kind);
  if (count < 1 || (word !== 'KEYS' && word !== 'VALUES')) return syntaxError;
  const { entries, next } = scanPage(keyspace.index.keysBySlot, {
    from,
    prefix: nameOf(prefix),
    count: Math.min(count, scanCountMax),
    withValues: word === 'VALUES',
    // A collection has no value that stands in one piece of bytes: only its key is shown.
    isLive: (entry) =>
      !keyspace.isExpired(entry) && keyspace.shows(entry.slot) && (word === 'KEYS' || isText(entry.type)),
  });
  const nextCursor = encodeCursor(next);
  if (word === 'KEYS') return [nextCursor, entries.map(keyOf)];
  return andThen(keysAndValues(keyspace, entries), (pairs) => [nextCursor, pairs]);
}

function keyOf(entry: Entry): Buffer {
  return Buffer.from(entry.key, 'latin1');
}

/** Key, value, key, value…; a key that goes while its value is read is left out. */
function keysAndValues(keyspace: Keyspace, entries: readonly Entry[]): Answer<Reply[]> {
  return andThen(allOf(entries.map((entry) => keyspace.peek(entry))), (values) =>
    entries.flatMap((entry, place) => {
      const value = values[place];
      const text = value && textOf(value.type ?? storedTypes.bytes, value.body);
      return text === undefined ? [] : [keyOf(entry), text];
    }),
  );
}
