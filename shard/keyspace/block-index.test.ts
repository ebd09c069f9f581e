import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../../testing/engine-entries.ts';
import { type Entry, spaceOfBlocks } from '../journal.ts';
import { BlockIndex } from './block-index.ts';

const digests = ['d'.repeat(20), 'e'.repeat(20)];

function version(digest: string, number: number): Entry {
  return entryOf(digest + `${number}`.padStart(16, '0'), { space: spaceOfBlocks, slot: 7 });
}

describe('BlockIndex', () => {
  it('lists the versions of a block by sequence, whatever order they come in', () => {
    const step = fc.record({ digest: fc.constantFrom(...digests), number: fc.integer({ min: 0, max: 6 }) });
    const steps = fc.array(fc.record({ of: step, removes: fc.boolean(), isLate: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (list) => {
        const index = new BlockIndex();
        let live: Entry[] = [];
        const held = list.filter(({ isLate }) => isLate).map(({ of }) => version(of.digest, of.number));
        for (const { of, removes, isLate } of list) {
          const entry = isLate ? held.pop()! : version(of.digest, of.number);
          const previous = live.find(({ key }) => key === entry.key);
          if (removes) {
            expect(index.remove(entry)).toBe(false);
            if (previous !== undefined) expect(index.remove(previous)).toBe(true);
            live = live.filter((other) => other !== previous);
          } else {
            expect(index.replace(entry)).toBe(previous);
            live = [...live.filter((other) => other !== previous), entry];
          }
          expect(index.size).toBe(live.length);
        }
        for (const digest of digests) {
          const expected = live.filter(({ key }) => key.startsWith(digest)).sort((a, b) => b.sequence - a.sequence);
          expect(index.versions(7, digest)).toEqual(expected);
          for (const entry of expected) expect(index.find(7, entry.key)).toBe(entry);
        }
        expect(new Set(index.entriesOfSlot(7))).toEqual(new Set(live));
      }),
    );
  });

  it('gives every version of a slot to one who removes them on the way', () => {
    const index = new BlockIndex();
    for (let number = 0; number < 5; number++) index.replace(version(digests[0]!, number));
    index.replace(version(digests[1]!, 0));
    for (const entry of index.entriesOfSlot(7)) expect(index.remove(entry)).toBe(true);
    expect(index.size).toBe(0);
  });
});
