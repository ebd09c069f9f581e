/**
 * A read from below RAM, against an index that goes on changing meanwhile.
 *
 * While disk or Blob answer, the key may be overwritten, deleted or evicted, and compaction may move its record and
 * delete the segment that is being read. What counts is the key's live record at the end: if that is another one, the
 * read starts again with it; if the record has only moved, a failed read is tried again where it lies now. After some
 * such rounds the last value read is given: it was live when its round began, which is after the command came.
 */
import { coldReadAttemptsMax } from '../../limits.ts';
import type { Entry, StoredValue } from '../journal.ts';
import type { Keyspace } from './keyspace.ts';

/** The value, or undefined if the key has none any more. Rejects with the journal's fault (BLOBDOWN, CORRUPT). */
export async function readCold(keyspace: Keyspace, first: Entry): Promise<StoredValue | undefined> {
  let entry = first;
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryRead(keyspace, entry);
    const current = keyspace.live(entry.space, entry.slot, entry.key);
    if (current === undefined) return undefined;
    if ('value' in outcome) {
      if (current === entry || attempt >= coldReadAttemptsMax) return outcome.value;
    } else if ((current === entry && !outcome.hasMoved) || attempt >= coldReadAttemptsMax) {
      throw outcome.fault;
    }
    const hot = keyspace.hot.get(current);
    if (hot !== undefined) return hot;
    entry = current;
  }
}

type Outcome = { readonly value: StoredValue } | { readonly fault: unknown; readonly hasMoved: boolean };

async function tryRead(keyspace: Keyspace, entry: Entry): Promise<Outcome> {
  const { segment, offset } = entry;
  try {
    const value = await keyspace.journal!.read(entry);
    keyspace.noteReadable(entry, true);
    return { value };
  } catch (fault) {
    const hasMoved = entry.segment !== segment || entry.offset !== offset;
    if (!hasMoved) keyspace.noteReadable(entry, false);
    return { fault, hasMoved };
  }
}
