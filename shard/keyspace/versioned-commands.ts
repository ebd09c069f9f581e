/**
 * Keys with vector clocks: VERSION.PUT, VERSION.GET, VERSION.DEL. Grammar: commands/table.ts; how siblings come and go:
 * commands/siblings.ts. What commands without versions make of such a key: key-versions.ts.
 *
 * A key that was stored by another command is one sibling that nobody's clock has counted.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import {
  decodeSiblings,
  encodeSiblings,
  isDeletion,
  type Sibling,
  supersede,
  type Superseded,
} from '../../commands/siblings.ts';
import { isCollection, type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { textOf } from '../../commands/typed-text.ts';
import {
  clockCounterMax,
  decodeClock,
  emptyClock,
  encodeClock,
  type VectorClock,
} from '../../commands/vector-clock.ts';
import { clockEntriesMax, siblingsBytesMax, siblingsMax } from '../../limits.ts';
import { KvcacheError } from '../../errors.ts';
import { slotOf } from '../../topology/slot.ts';
import { type Entry, spaceOfKeys, type StoredValue } from '../journal.ts';
import { andThen, type Answer } from './answer.ts';
import type { Change } from './change.ts';
import { companionKinds, companionOf } from './companion.ts';
import { keyFault, notAnInteger, parseInteger, wrongType } from './arguments.ts';
import { type CommandFamily, keyChange, storeFault } from './handler.ts';
import { nameOf } from './key-hash.ts';
import { deletionChange } from './key-versions.ts';
import type { Keyspace } from './keyspace.ts';
import { commitUnlessPast, deleteChange, liveOf } from './plain-key.ts';
import { invalidExpireTime } from './times.ts';
import { type Present, update } from './update.ts';

const nothing = Buffer.alloc(0);
const malformedClock = new ReplyError('ERR', 'malformed clock');

export function versionedCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['VERSION.PUT', (args, context) => put(keyspace, args, context)],
    ['VERSION.GET', (args) => get(keyspace, args[0]!)],
    ['VERSION.DEL', (args, context) => remove(keyspace, args, context)],
  ];
}

/** [clock, value or nil]…, the newest first; nil where nothing is left but deletions. */
function get(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = liveOf(keyspace, key);
  if (entry !== undefined && isCollection(entry.type)) return wrongType;
  return andThen(keyspace.read(spaceOfKeys, slotOf(key), nameOf(key)), (value) =>
    value === undefined
      ? null
      : siblingsOf(value.type ?? storedTypes.bytes, value).map((sibling): Reply => [
          encodeClock(sibling.clock),
          isDeletion(sibling) ? null : textOf(sibling.type, sibling.body)!,
        ]),
  );
}

function put(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, value, expiry, clock] = args as [Buffer, Buffer, Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, value);
  if (fault !== undefined) return fault;
  const expireAtMs = parseInteger(expiry);
  if (expireAtMs === undefined) return notAnInteger;
  if (expireAtMs < 0) return invalidExpireTime('version.put');
  const seen = seenOf(clock);
  if (seen instanceof ReplyError) return seen;
  const apply = (present: Present | undefined): Answer<Reply> => {
    const next = supersede(siblingsOfKey(keyspace, key, present), seen, keyspace.nodeName);
    const siblings = [{ type: storedTypes.bytes, clock: next.clock, body: value }, ...next.kept];
    const excess = siblingsFault(siblings, next);
    if (excess !== undefined) return excess;
    const lastsUntilMs = laterExpiry(expireAtMs, next.kept.length === 0 ? undefined : present?.entry);
    const outcome = next.kept.length === 0 ? 'OK' : 'CONFLICT';
    const change = siblingsChange(key, siblings, lastsUntilMs);
    return commitUnlessPast(keyspace, change, present?.entry, context, [outcome, encodeClock(next.clock)]);
  };
  const bytes = key.byteLength + value.byteLength;
  return whenAtHand(keyspace, key, () => update(keyspace, { key, bytes, settle: collectionFault, apply }, context));
}

/** The clock of the deletion; nil where there was nothing to delete. */
function remove(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, clock] = args as [Buffer, Buffer];
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const seen = seenOf(clock);
  if (seen instanceof ReplyError) return seen;
  const settle = (entry: Entry | undefined): Reply | undefined => (entry === undefined ? null : collectionFault(entry));
  const apply = (present: Present | undefined): Answer<Reply> => {
    const next = supersede(siblingsOfKey(keyspace, key, present), seen, keyspace.nodeName);
    const siblings = [{ type: storedTypes.tombstone, clock: next.clock, body: nothing }, ...next.kept];
    const excess = siblingsFault(siblings, next);
    if (excess !== undefined) return excess;
    const changes = siblings.every(isDeletion)
      ? [deleteChange(key), deletionChange(key, siblings, keyspace.now())]
      : [siblingsChange(key, siblings, present!.entry.expireAtMs)];
    return keyspace.commit(changes, context, encodeClock(next.clock));
  };
  return update(keyspace, { key, bytes: key.byteLength, settle, apply }, context);
}

function collectionFault(entry: Entry | undefined): ReplyError | undefined {
  return entry !== undefined && isCollection(entry.type) ? wrongType : undefined;
}

/** Runs the write once the clocks of the key's deletion are known, if it was deleted. */
function whenAtHand(keyspace: Keyspace, key: Buffer, write: () => Answer<Reply>): Answer<Reply> {
  const reading = keyspace.index.hasVersions ? keyspace.versions.bringToHand([nameOf(key)]) : undefined;
  return reading === undefined ? write() : reading.then(write);
}

/** Those of the value that is there, or else of its deletion. */
function siblingsOfKey(keyspace: Keyspace, key: Buffer, present: Present | undefined): readonly Sibling[] {
  if (present !== undefined) return siblingsOf(present.entry.type, present.value);
  const deletion = companionOf(keyspace, companionKinds.deletion, key);
  if (deletion === undefined) return [];
  const siblings = keyspace.versions.siblingsAtHand(deletion);
  if (siblings === undefined) throw new KvcacheError('TRYAGAIN', 'the key was deleted meanwhile; nothing was written');
  return siblings;
}

function siblingsOf(type: StoredType, { body }: StoredValue): Sibling[] {
  return type === storedTypes.versioned ? decodeSiblings(body) : [{ type, clock: emptyClock, body }];
}

function siblingsChange(key: Buffer, siblings: readonly Sibling[], expireAtMs: number): Change {
  return {
    ...keyChange(key, nameOf(key), expireAtMs, encodeSiblings(siblings)),
    type: storedTypes.versioned,
  };
}

/** What the writer has seen; undefined for one who does not say. */
function seenOf(clock: Buffer): VectorClock | undefined | ReplyError {
  if (clock.byteLength === 0) return undefined;
  try {
    const decoded = decodeClock(clock);
    return decoded.end === clock.byteLength ? decoded.clock : malformedClock;
  } catch (error) {
    if (error instanceof RangeError) return malformedClock;
    throw error;
  }
}

/** No value is gone before its own time, `kept` being of those that stay; zero is never. */
function laterExpiry(expireAtMs: number, kept: Entry | undefined): number {
  if (kept === undefined) return expireAtMs;
  return expireAtMs === 0 || kept.expireAtMs === 0 ? 0 : Math.max(expireAtMs, kept.expireAtMs);
}

function siblingsFault(siblings: readonly Sibling[], { clock }: Superseded): ReplyError | undefined {
  if (clock.size > clockEntriesMax) {
    return new ReplyError(
      'TOOLARGE',
      `the clock would have ${clock.size} nodes; at most ${clockEntriesMax} are allowed`,
    );
  }
  for (const counter of clock.values()) {
    if (counter > clockCounterMax) return new ReplyError('ERR', 'a counter of the clock is beyond 64 bits');
  }
  if (siblings.length === 1) return undefined;
  const bytes = siblings.reduce((sum, { body }) => sum + body.byteLength, 0);
  if (siblings.length <= siblingsMax && bytes <= siblingsBytesMax) return undefined;
  const advice = 'read the key and write it with a version that joins them';
  return new ReplyError('TOOLARGE', `the key would have ${siblings.length} versions of ${bytes} bytes: ${advice}`);
}
