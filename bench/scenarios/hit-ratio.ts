/**
 * How many blocks of a trace of prompts a cache of N blocks finds, replayed in process through the commands that a
 * Lookup, a Read and a Write become: the policy is the shard's own, whatever it is, without a tier below RAM.
 */
import { blockKey } from '../../commands/block-key.ts';
import { libraryContext } from '../../commands/command.ts';
import { OK } from '../../commands/reply.ts';
import { systemClock } from '../../shard/clock.ts';
import { HotTier } from '../../shard/hot/hot-tier.ts';
import { largeCopyOverheadBytes } from '../../shard/hot/large-copy.ts';
import { Engine } from '../../shard/keyspace/engine.ts';
import { KeyIndex } from '../../shard/keyspace/key-index.ts';
import { type Case, type Scenario, type Side } from '../harness/scenario.ts';
import { type BlockCache, hitRatio, leastRecentlyUsed, readTrace } from '../load/block-trace.ts';

interface TraceCase extends Case {
  readonly blocks: number;
}

const ratio = { name: 'hit ratio', unit: 'share', better: 'more' } as const;
const cacheBlocks = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
/** Large enough to be a buffer of its own, as real blocks are; all share one memory, and each is accounted for. */
const blockBytes = 1_000_000;
const context = libraryContext(86_400_000);

/** The shard's engine, which holds so many blocks in RAM. */
function engineCache(blocksMax: number): BlockCache {
  const limitBytes = blocksMax * (blockBytes + largeCopyOverheadBytes);
  const hot = new HotTier({ limitBytes });
  const engine = new Engine({
    clock: systemClock,
    index: new KeyIndex(hot, systemClock),
    hot,
    options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: blockBytes },
  });
  const body = Buffer.allocUnsafeSlow(blockBytes);
  const meta = Buffer.alloc(0);
  return {
    lookup(ids) {
      const args = ids.flatMap((id, index) => [digestOf(id), Buffer.from(String(index))]);
      void engine.execute({ name: 'BLOCK.VERSIONS', args }, context);
    },
    read(id) {
      return engine.execute({ name: 'BLOCK.GET', args: [keyOf(id)] }, context) !== null;
    },
    write(id) {
      const reply = engine.execute({ name: 'BLOCK.PUT', args: [keyOf(id), meta, body] }, context);
      if (reply !== OK) throw new Error(`a block was not stored: ${JSON.stringify(reply)}`);
    },
  };
}

function digestOf(id: number): Buffer {
  const digest = Buffer.alloc(20);
  digest.writeUInt32BE(id, 16);
  // Spread over the slots, as digests are.
  digest.writeUInt32BE(Math.imul(id, 0x9e3779b1) >>> 0, 0);
  return digest;
}

function keyOf(id: number): Buffer {
  return blockKey(digestOf(id), BigInt(id + 1), 0n);
}

export const hitRatioScenario: Scenario = {
  name: 'hit-ratio',
  summary: 'replays a trace of prompts (--trace FILE) through caches of 1,000 to 50,000 blocks, against plain LRU',
  async prepare(bench) {
    if (bench.tracePath === undefined) {
      bench.skip('hit-ratio', 'give it a trace of prompts: npm run bench -- hit-ratio --trace FILE');
      return { cases: [], sides: [] };
    }
    const prompts = await readTrace(bench.tracePath);
    const cases: readonly TraceCase[] = cacheBlocks.map((blocks) => ({
      title: `${blocks} blocks`,
      blocks,
      figures: [ratio],
      comparisons: [{ side: 'engine', against: 'LRU', goal: { atLeast: blocks === 10_000 ? 1.05 : 1 } }],
    }));
    const side = (name: string, about: string, cacheOf: (blocks: number) => BlockCache): Side<TraceCase> => ({
      name,
      about,
      measure: async ({ blocks }) => ({ [ratio.name]: hitRatio(prompts, cacheOf(blocks)) }),
    });
    return {
      cases,
      sides: [
        side('engine', "the shard's engine in process, RAM only", engineCache),
        side('LRU', 'exact, in blocks', leastRecentlyUsed),
      ],
      warmsUp: false,
      // A replay has no noise.
      roundsMax: 1,
      notes: () => [`${prompts.length} prompts, ${prompts.reduce((sum, { length }) => sum + length, 0)} blocks`],
    };
  },
};
