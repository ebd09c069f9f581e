import { describe, expect, it } from 'vitest';
import { promptRunGapMax, promptRunsMax } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import { type Entry, spaceOfBlocks } from '../journal.ts';
import { PromptRuns } from './prompt-runs.ts';

function blockAt(chainIndex: number): Entry {
  const entry = entryOf(`block ${chainIndex}`, { space: spaceOfBlocks, slot: 0 });
  entry.chainIndex = chainIndex;
  return entry;
}

function follow(runs: PromptRuns, entry: Entry): Entry | undefined {
  return runs.follow(entry, () => true);
}

describe('PromptRuns', () => {
  it('finds for every block the one before it, where a shard has some blocks of a prompt alone', () => {
    const runs = new PromptRuns();
    const prompt = [2, 3, 7, 8, 20].map(blockAt);
    expect(prompt.map((entry) => follow(runs, entry))).toEqual([undefined, ...prompt.slice(0, -1)]);
  });

  it('begins anew where places do not rise', () => {
    const runs = new PromptRuns();
    const [first, second, again] = [blockAt(0), blockAt(1), blockAt(0)];
    expect([follow(runs, first), follow(runs, second), follow(runs, again)]).toEqual([undefined, first, undefined]);
  });

  it('keeps several prompts in their order that are read in turns', () => {
    const runs = new PromptRuns();
    const last = new Map<number, number>();
    for (let place = 0; place < 50; place++) {
      for (let prompt = 0; prompt < promptRunsMax; prompt++) {
        const before = follow(runs, blockAt(place));
        // Which of the prompts it is taken for does not matter: the one before it has the place before.
        expect(before?.chainIndex).toBe(last.get(prompt));
        last.set(prompt, place);
      }
    }
  });

  it('puts nothing beside what was used long ago, or what has no copy any more', () => {
    const runs = new PromptRuns();
    const first = blockAt(0);
    follow(runs, first);
    for (let use = 0; use < promptRunGapMax; use++) runs.noteOther();
    expect(follow(runs, blockAt(1))).toBeUndefined();
    expect(runs.follow(blockAt(2), () => false)).toBeUndefined();
  });
});
