/** When a position of the log is safe: on the disk, or committed in Blob with everything it may refer to. */
import { KvcacheError } from '../../errors.ts';
import type { JournalPosition } from '../journal.ts';
import type { Log } from '../log/log.ts';
import type { TierBelow } from './tier-below.ts';

/** Resolves when everything up to the position is that safe. Rejects with CONFIG if there is no Blob to be safe in. */
export async function untilDurable(
  log: Log,
  below: TierBelow | undefined,
  position: JournalPosition,
  level: 'disk' | 'blob',
): Promise<void> {
  if (level === 'disk') return log.synced(position);
  if (below === undefined) {
    throw new KvcacheError('CONFIG', "acknowledgement 'blob' needs Blob: set blob.account_url or another account");
  }
  await log.written(position);
  // Parts of a large value may stand in older segments than their commit.
  const older = [...log.segments.values()].filter(
    (segment) => segment.id < position.segment && segment.needsUpload && !below.isSafe(segment.id),
  );
  await Promise.all(older.map((segment) => below.waitCommitted(segment.id, segment.bytes)));
  if (log.segments.get(position.segment)?.needsUpload) await below.waitCommitted(position.segment, position.end);
}
