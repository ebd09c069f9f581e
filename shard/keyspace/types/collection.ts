/** What every type of collection is in RAM. */
import { setImmediate as nextStep } from 'node:timers/promises';
import type { CollectionType } from '../../../commands/stored-type.ts';
import { collectionElementBytes, collectionStepBytes } from '../../../limits.ts';
import type { HotObject } from '../../hot/hot-copy.ts';
import { OperationReader } from './operations.ts';

export interface Collection extends HotObject {
  readonly type: CollectionType;
  /** Elements; an empty collection is no key. */
  readonly size: number;
  /** Bytes of all texts and `collectionElementBytes` for each element: what its bound is about. */
  readonly weight: number;
  /** Does one operation that the reader stands before. */
  apply(operations: OperationReader): void;
}

/** What an element with these texts counts. */
export function weightOf(...texts: readonly string[]): number {
  let weight = collectionElementBytes;
  for (const text of texts) weight += text.length;
  return weight;
}

/** Applies all operations at once: those of one command. */
export function applyAll(collection: Collection, operations: Buffer): void {
  const reader = new OperationReader(operations);
  while (!reader.isAtEnd) collection.apply(reader);
}

/** Applies all operations of a stored value, step by step: a large one takes longer than the event loop may stand. */
export async function applyInSteps(collection: Collection, operations: Buffer): Promise<void> {
  const reader = new OperationReader(operations);
  let stepEnd = collectionStepBytes;
  while (!reader.isAtEnd) {
    if (reader.offset >= stepEnd) {
      stepEnd = reader.offset + collectionStepBytes;
      await nextStep();
    }
    collection.apply(reader);
  }
}
