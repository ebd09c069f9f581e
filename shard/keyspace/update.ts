/**
 * Read-modify-write: commands whose write depends on the value that is there.
 *
 * With the value in RAM and room in the log an update is done in the caller's tick, as any write. Otherwise its keys are
 * held against later writes, the value is read from disk, Blob or the shard that still has it, and the update is done at
 * its turn with what was read, if that is still the live record; if not, it reads again. A read that fails fails the
 * update: what cannot be read is never taken for absent.
 *
 * Rejected: reading first and comparing the record's sequence at the end, without holding the key. A slow read would
 * lose to a stream of fast writes for ever.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { coldReadAttemptsMax } from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import { Entry, type Space, spaceOfCompanions, spaceOfKeys, type StoredValue } from '../journal.ts';
import type { Answer } from './answer.ts';
import { type CompanionKind, companionName } from './companion.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';

/** A live record with its value. */
export interface Present {
  readonly entry: Entry;
  readonly value: StoredValue;
}

export interface Update {
  /** The plain key whose value counts. */
  readonly key: Buffer;
  /** Set: not the key's value counts, but this companion of it. */
  readonly companion?: CompanionKind;
  /** Other plain keys that are written. */
  readonly others?: readonly Buffer[];
  /** About what is appended beyond the value as it is. */
  readonly bytes: number;
  /** The answer, where none of it needs the value and nothing is to be written; undefined where the value counts. */
  readonly settle?: (entry: Entry | undefined) => Reply | undefined;
  /** Writes, and answers. Called once, in the tick in which the value was looked at. */
  readonly apply: (present: Present | undefined) => Answer<Reply>;
}

interface Place {
  readonly space: Space;
  readonly slot: number;
  readonly name: string;
}

function placeOf({ key, companion }: Update): Place {
  const slot = slotOf(key);
  if (companion === undefined) return { space: spaceOfKeys, slot, name: nameOf(key) };
  return { space: spaceOfCompanions, slot, name: companionName(companion, nameOf(key)) };
}

export function update(keyspace: Keyspace, request: Update, context: CommandContext): Answer<Reply> {
  const fault = keyspace.acknowledgementFault(context);
  if (fault !== undefined) return fault;
  const { others = [], bytes } = request;
  const place = placeOf(request);
  const { name } = place;
  const names = others.length === 0 ? [name] : [...new Set([name, ...others.map(nameOf)])];
  if (!keyspace.isIdle(names)) return updateInTurn(keyspace, request, names, context);
  const entry = keyspace.live(place.space, place.slot, name);
  const settled = request.settle?.(entry);
  if (settled !== undefined) return settled;
  const isAtHand = entry === undefined || (keyspace.hot.has(entry) && !keyspace.isReadAsStored(entry));
  if (!isAtHand || !keyspace.queue.admitsNow(bytes + (entry?.bodyBytes ?? 0))) {
    return updateInTurn(keyspace, request, names, context);
  }
  return request.apply(presentInRam(keyspace, entry));
}

/** The general case: the keys are held, and the value is read if it is not in RAM when the turn comes. */
async function updateInTurn(
  keyspace: Keyspace,
  request: Update,
  names: readonly string[],
  context: CommandContext,
): Promise<Reply> {
  const { space, slot, name } = placeOf(request);
  const { before, release } = keyspace.holdKeys(names);
  try {
    await before;
    let read: Present | undefined;
    for (let attempt = 1; attempt <= coldReadAttemptsMax; attempt++) {
      const bytes = request.bytes + (keyspace.live(space, slot, name)?.bodyBytes ?? 0);
      const outcome = await keyspace.queue.run<Reply | Entry>(bytes, context, () => {
        const entry = keyspace.live(space, slot, name);
        const settled = request.settle?.(entry);
        if (settled !== undefined) return settled;
        const present = read?.entry === entry ? read : presentInRam(keyspace, entry);
        if (present === undefined && entry !== undefined) return entry;
        // Later writes of these keys may go on once this one is applied, before it is durable.
        release();
        return request.apply(present);
      });
      if (!(outcome instanceof Entry)) return outcome;
      read = await readRecord(keyspace, outcome);
    }
    return new ReplyError('TRYAGAIN', 'the key changed again and again while its value was read; nothing was written');
  } finally {
    release();
  }
}

function presentInRam(keyspace: Keyspace, entry: Entry | undefined): Present | undefined {
  if (entry === undefined) return undefined;
  keyspace.lastUse.noteRead(entry);
  const value = keyspace.isReadAsStored(entry) ? undefined : keyspace.hot.get(entry);
  return value && { entry, value };
}

async function readRecord(keyspace: Keyspace, entry: Entry): Promise<Present | undefined> {
  const value = await keyspace.peek(entry);
  const current = keyspace.live(entry.space, entry.slot, entry.key);
  return value !== undefined && current === entry ? { entry, value } : undefined;
}
