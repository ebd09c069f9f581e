/**
 * Looking at all keys: PREFIXSCAN, SCAN, KEYS, RANDOMKEY, DBSIZE, COUNTKEYSINSLOT, GETKEYSINSLOT. How pages are made:
 * scan.ts.
 *
 * Whatever looks at all keys shows those of slots that this shard serves now, and stops nobody for long: a page ends
 * after so many keys looked at, and KEYS lets others have their turn between two pages.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { binaryCursor, numericCursor } from '../../commands/scan-cursor.ts';
import { parseScanOptions, type ScanOptions } from '../../commands/scan-options.ts';
import { isCollection, redisTypeName, type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { isText, textOf } from '../../commands/typed-text.ts';
import {
  keysReplyBytesMax,
  randomKeyAttemptsMax,
  scanCountMax,
  scanExaminedPerCallMax,
  scanExaminedPerTurnMax,
  scanPageBytesMax,
  slotCount,
} from '../../limits.ts';
import type { Entry, LentEntry } from '../journal.ts';
import { allOf, andThen, type Answer } from './answer.ts';
import { notAnInteger, parseInteger, syntaxError, wordOf } from './arguments.ts';
import { compileGlob, type Glob } from '../../commands/glob.ts';
import type { CommandFamily } from './handler.ts';
import { parseCount } from '../../commands/int64.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { liveOf } from './plain-key.ts';
import { randomEntry } from './random-key.ts';
import { scanPage, type ScanPage, type ScanRequest } from './scan.ts';

export function scanCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['PREFIXSCAN', (args) => prefixScan(keyspace, args)],
    ['SCAN', (args) => scan(keyspace, args)],
    ['KEYS', (args) => listKeys(keyspace, args[0]!)],
    ['RANDOMKEY', () => randomKey(keyspace)],
    ['DBSIZE', () => keyspace.countKeys()],
    ['COUNTKEYSINSLOT', (args) => countSlot(keyspace, args[0]!)],
    ['GETKEYSINSLOT', (args) => listSlot(keyspace, args)],
  ];
}

function keyOf(entry: LentEntry): Buffer {
  return Buffer.from(entry.key, 'latin1');
}

function isShown(keyspace: Keyspace, entry: LentEntry): boolean {
  return !keyspace.isExpired(entry) && keyspace.shows(entry.slot);
}

// ── By prefix ───────────────────────────────────────────────────────────────────────────────────────────────────

function prefixScan(keyspace: Keyspace, args: readonly Buffer[]): Answer<Reply> {
  const [cursor, prefix, countArgument, kind] = args as [Buffer, Buffer, Buffer, Buffer];
  const from = binaryCursor.decode(cursor);
  if (from === undefined) return invalidCursor;
  const count = parseInteger(countArgument);
  if (count === undefined) return notAnInteger;
  const word = wordOf(kind);
  if (count < 1 || (word !== 'KEYS' && word !== 'VALUES' && word !== 'ALL')) return syntaxError;
  const { entries, next } = scanPage(keyspace.index.keysBySlot, {
    from,
    prefix: nameOf(prefix),
    count: Math.min(count, scanCountMax),
    examinedMax: scanExaminedPerCallMax,
    withValues: word !== 'KEYS',
    shows: (entry) => isShown(keyspace, entry) && (word !== 'VALUES' || isText(entry.type)),
  });
  const nextCursor = binaryCursor.encode(next);
  if (word === 'KEYS') return [nextCursor, entries.map(keyOf)];
  const isApart = word === 'ALL' ? isNoText : isCollection;
  return andThen(keysAndValues(keyspace, entries, isApart), (pairs) => [nextCursor, pairs]);
}

/** What `ALL` shows nil for: what no text door reads, and what is JSON or nothing at all to those. */
function isNoText(type: StoredType): boolean {
  const { array, map, null: nothing } = storedTypes;
  return isCollection(type) || type === array || type === map || type === nothing;
}

/** Key, value, key, value…; a key that goes while its value is read is left out. Nil for the value of what is apart. */
function keysAndValues(
  keyspace: Keyspace,
  entries: readonly Entry[],
  isApart: (type: StoredType) => boolean,
): Answer<Reply[]> {
  const reading = entries.map((entry) => (isApart(entry.type) ? undefined : keyspace.peek(entry)));
  return andThen(allOf(reading), (values) =>
    entries.flatMap((entry, place) => {
      if (isApart(entry.type)) return [keyOf(entry), null];
      const value = values[place];
      const text = value && textOf(value.type ?? storedTypes.bytes, value.body);
      return text === undefined ? [] : [keyOf(entry), text];
    }),
  );
}

// ── By pattern ──────────────────────────────────────────────────────────────────────────────────────────────────

const invalidCursor = new ReplyError('ERR', 'invalid cursor');

function scan(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const from = numericCursor.decode(args[0]!);
  if (from === undefined) return invalidCursor;
  const options = parseScanOptions(args);
  if (options instanceof ReplyError) return options;
  const count = Math.min(options.count, scanCountMax);
  const { entries, next } = patternPage(keyspace, { from, count, examinedMax: scanExaminedPerTurnMax }, options);
  return [numericCursor.encode(next), entries.map(keyOf)];
}

function patternPage(
  keyspace: Keyspace,
  request: Pick<ScanRequest, 'from' | 'count' | 'examinedMax'>,
  { pattern, type }: Pick<ScanOptions, 'pattern' | 'type'>,
): ScanPage {
  const glob = pattern === undefined ? undefined : compileGlob(nameOf(pattern));
  return scanPage(keyspace.index.keysBySlot, {
    ...request,
    prefix: glob?.prefix ?? '',
    withValues: false,
    shows: (entry) =>
      isShown(keyspace, entry) &&
      (glob === undefined || glob.matches(entry.key)) &&
      (type === undefined || redisTypeName(entry.type) === type),
  });
}

/** All keys that match, page by page with turns for others between them. */
async function listKeysInTurns(keyspace: Keyspace, pattern: Buffer): Promise<Reply> {
  const found: Buffer[] = [];
  let bytes = 0;
  let from: ScanRequest['from'] | undefined = { slot: 0, boundary: 0 };
  while (from !== undefined) {
    const request = { from, count: Infinity, examinedMax: scanExaminedPerTurnMax };
    const page: ScanPage = patternPage(keyspace, request, { pattern, type: undefined });
    for (const entry of page.entries) {
      bytes += entry.key.length;
      found.push(keyOf(entry));
    }
    if (bytes > keysReplyBytesMax) return tooManyKeys;
    from = page.next;
    if (from !== undefined) await nextTurn();
  }
  return found;
}

const tooManyKeys = new ReplyError('TOOLARGE', `KEYS finds more than ${keysReplyBytesMax} bytes of keys: use SCAN`);

function listKeys(keyspace: Keyspace, pattern: Buffer): Answer<Reply> {
  const glob: Glob = compileGlob(nameOf(pattern));
  if (!glob.isLiteral) return listKeysInTurns(keyspace, pattern);
  const key = Buffer.from(glob.prefix, 'latin1');
  const entry = liveOf(keyspace, key);
  return entry !== undefined && isShown(keyspace, entry) ? [keyOf(entry)] : [];
}

// ── Any, and those of a slot ────────────────────────────────────────────────────────────────────────────────────

function randomKey(keyspace: Keyspace): Reply {
  for (let attempt = 1; attempt <= randomKeyAttemptsMax; attempt++) {
    const shows = (slot: number): boolean => keyspace.shows(slot);
    const entry = randomEntry(keyspace.index.keysBySlot, shows, keyspace.countKeys(), Math.random);
    if (entry === undefined) return null;
    if (!keyspace.isExpired(entry)) return keyOf(entry);
  }
  // Nearly everything has expired and waits for its turn to go.
  return null;
}

function parseSlot(argument: Buffer): number | ReplyError {
  const slot = parseCount(argument);
  if (slot === undefined) return notAnInteger;
  return slot >= 0 && slot < slotCount ? slot : new ReplyError('ERR', 'Invalid slot');
}

function countSlot(keyspace: Keyspace, argument: Buffer): Reply {
  const slot = parseSlot(argument);
  if (slot instanceof ReplyError) return slot;
  return keyspace.shows(slot) ? keyspace.index.keysOfSlot(slot) : 0;
}

function listSlot(keyspace: Keyspace, [slotArgument, countArgument]: readonly Buffer[]): Reply {
  const slot = parseSlot(slotArgument!);
  const count = parseCount(countArgument!);
  if (count === undefined) return notAnInteger;
  if (slot instanceof ReplyError || count < 0) {
    return slot === notAnInteger ? slot : new ReplyError('ERR', 'Invalid slot or number of keys');
  }
  const keys: Buffer[] = [];
  if (!keyspace.shows(slot)) return keys;
  const countMax = Math.min(count, scanCountMax);
  let bytes = 0;
  for (const entry of keyspace.index.keysBySlot.values(slot)) {
    if (keys.length >= countMax || bytes > scanPageBytesMax) break;
    if (keyspace.isExpired(entry)) continue;
    keys.push(keyOf(entry));
    bytes += entry.key.length;
  }
  return keys;
}
