/**
 * "May a record of this key that is older than this one lie in some other segment?" A tombstone is carried forward as
 * long as the answer is yes, so a wrong no would resurrect a key and a wrong yes only costs some bytes.
 *
 * A segment whose smallest sequence is larger has nothing older. Of the others, the Bloom filter of the hint tells;
 * filters are read when the first question needs them, and forgotten with the round of compaction.
 */
import { open } from 'node:fs/promises';
import { messageOf } from '../../errors.ts';
import { Bloom } from '../log/bloom.ts';
import { hintHeadBytes, readHintHead } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import type { SegmentState } from '../log/segment-state.ts';

interface Older {
  readonly minSequence: number;
  /** Undefined: open, or without a readable hint here; it may hold anything. */
  readonly bloom: Bloom | undefined;
}

export class OlderRecords {
  readonly #segments: readonly Older[];

  private constructor(segments: readonly Older[]) {
    this.#segments = segments;
  }

  /** Looks at every segment but `except`, which goes away as a whole. */
  static async outside(log: Log, except: SegmentState): Promise<OlderRecords> {
    const others = [...log.segments.values()].filter(
      (segment) => segment !== except && segment.minSequence < except.totals.maxSequence,
    );
    const segments: Older[] = [];
    for (const segment of others) {
      const bloom = segment.isSealed ? await readBloom(log.hintPathOf(segment.id)) : undefined;
      segments.push({ minSequence: segment.minSequence, bloom });
    }
    return new OlderRecords(segments);
  }

  /** `key` is empty for a slot-drop, which is about every key. */
  mayExist(key: Uint8Array, space: number, sequence: number): boolean {
    return this.#segments.some(({ minSequence, bloom }) => {
      if (minSequence >= sequence) return false;
      return bloom === undefined || key.byteLength === 0 || bloom.mayHold(key, space);
    });
  }
}

/** Undefined if there is no filter to read: then nothing is ruled out. */
async function readBloom(path: string): Promise<Bloom | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(hintHeadBytes);
      await file.read(head, 0, hintHeadBytes, 0);
      const bloomBytes = readHintHead(head)?.bloomBytes;
      if (bloomBytes === undefined) return undefined;
      const bytes = Buffer.alloc(bloomBytes);
      const { bytesRead } = await file.read(bytes, 0, bloomBytes, hintHeadBytes);
      return bytesRead === bloomBytes ? new Bloom(bytes) : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`the hint ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
