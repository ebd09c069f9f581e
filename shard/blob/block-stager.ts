/**
 * Stages extents of a segment as blocks, two at a time: what is read and not yet staged is all that an upload holds in
 * RAM. After a failure, the blocks that lie end to end from the first on are kept, so that nothing is sent twice.
 */
import { messageOf } from '../../errors.ts';
import { blobBlocksInFlightMax } from '../../limits.ts';
import type { BlobFailure } from './blob-outcome.ts';
import type { BlobStore } from './blob-store.ts';
import type { Extent } from './block-plan.ts';

export interface Block extends Extent {
  readonly id: string;
}

/** The file or the hint could not be read; Blob has nothing to do with it. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly message: string;
}

export interface StagingContext {
  readonly store: BlobStore;
  readonly signal: AbortSignal;
  nextBlockId(): string;
}

export interface Staged {
  readonly blocks: Block[];
  /** What kept the rest from being staged. */
  readonly trouble: BlobFailure | Unreadable | undefined;
}

/** `load` gives the bytes of an extent; it may reject. */
export async function stageExtents(
  context: StagingContext,
  blobName: string,
  extents: readonly Extent[],
  load: (extent: Extent) => Promise<Buffer>,
): Promise<Staged> {
  const blocks: (Block | undefined)[] = extents.map(() => undefined);
  let trouble: Staged['trouble'];
  let next = 0;
  const work = async (): Promise<void> => {
    while (trouble === undefined) {
      const place = next;
      const extent = extents[place];
      if (extent === undefined) return;
      next += 1;
      const staged = await stageOne(context, blobName, extent, load);
      if ('id' in staged) blocks[place] = staged;
      else trouble ??= staged;
    }
  };
  await Promise.all(Array.from({ length: blobBlocksInFlightMax }, work));
  const gap = blocks.indexOf(undefined);
  return { blocks: (gap === -1 ? blocks : blocks.slice(0, gap)) as Block[], trouble };
}

async function stageOne(
  context: StagingContext,
  blobName: string,
  extent: Extent,
  load: (extent: Extent) => Promise<Buffer>,
): Promise<Block | BlobFailure | Unreadable> {
  let body: Buffer;
  try {
    body = await load(extent);
  } catch (error) {
    return unreadable(error);
  }
  if (body.length !== extent.length) return unreadable(`${body.length} of ${extent.length} bytes at ${extent.offset}`);
  const id = context.nextBlockId();
  const outcome = await context.store.stageBlock(blobName, id, body, context.signal);
  return outcome.kind === 'done' ? { id, ...extent } : outcome;
}

export function unreadable(error: unknown): Unreadable {
  return { kind: 'unreadable', message: messageOf(error) };
}
