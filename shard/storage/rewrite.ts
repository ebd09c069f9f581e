/**
 * Writes a live value once more at the end of the log, as one record with the sequence that it has: what compaction does
 * with what it finds in Blob alone, eviction with what gets a second chance, and folding with long chains.
 *
 * The value is read first, and the key may be written meanwhile. If it was overwritten, deleted or moved, nothing is
 * written. If deltas have come behind the state that was read, that state becomes their new base: so a key that is
 * written without end is folded all the same.
 */
import type { Condense, Entry, RecordIndex } from '../journal.ts';
import { baseSequenceOf } from '../log/chain.ts';
import type { Log } from '../log/log.ts';
import type { Reader } from './reader.ts';

export interface RewriteParts {
  readonly log: Log;
  readonly index: RecordIndex;
  readonly reader: Reader;
}

/** Bytes of the value that was written; undefined if none was. Rejects as reader and log do. */
export async function rewrite(
  { log, index, reader }: RewriteParts,
  state: Entry,
  condense?: Condense,
): Promise<number | undefined> {
  const { segment, offset } = state;
  const baseSequence = baseSequenceOf(state);
  const { meta, body: stored } = await reader.read(state);
  const body = condense === undefined ? stored : await condense(stored);
  await log.admit(body.byteLength);
  const current = index.findInSlot(state.space, state.slot, state.key);
  if (current === undefined || current.segment !== segment || current.offset !== offset) return undefined;
  // At the same place lies the same record: what is live now is this state, or it with deltas behind it.
  if (baseSequenceOf(current) !== baseSequence) return undefined;
  log.rewrite(current, meta, body, state);
  return body.byteLength;
}
