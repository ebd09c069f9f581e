/** What every type of collection is in RAM. */
import { setImmediate as nextStep } from 'node:timers/promises';
import type { CollectionType } from '../../../commands/stored-type.ts';
import { collectionElementBytes, collectionStepBytes, collectionStepElements } from '../../../limits.ts';
import type { HotObject } from '../../hot/large-copy.ts';
import { OperationReader, OperationWriter } from './operations.ts';

export interface Collection extends HotObject {
  readonly type: CollectionType;
  /** Elements; an empty collection is no key. */
  readonly size: number;
  /** Bytes of all texts and `collectionElementBytes` for each element: what its bound is about. */
  readonly weight: number;
  /** Writes the operations that make the elements of these places, from one to another (exclusive). */
  write(writer: OperationWriter, from: number, to: number): void;
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

/** The stored form of a collection, at once: for small ones. */
export function encodeAll(collection: Collection): Buffer {
  const writer = new OperationWriter();
  collection.write(writer, 0, collection.size);
  return writer.finish();
}

/** The same step by step; nobody may change the collection meanwhile. */
export async function encodeInSteps(collection: Collection): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let from = 0; from < collection.size; from += collectionStepElements) {
    const writer = new OperationWriter();
    collection.write(writer, from, Math.min(collection.size, from + collectionStepElements));
    parts.push(writer.finish());
    await nextStep();
  }
  return Buffer.concat(parts);
}
