/**
 * Resident memory against the limit while a shard's RAM churns: sets and gets of 100 B to 4 MiB, without a log.
 *
 *   node bench/hot-churn.ts [limitMiB=256] [seconds=60] [writtenMiBPerSecond=1000]
 *
 * Prints resident memory once a second and the largest ratio to the limit; the last line is JSON. Values come as the
 * doors bring them: small ones as slices of a shared chunk, large ones in a buffer of their own. Start it with other
 * flags and environment (docs/performance.md) to see what they do.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { libraryContext } from '../commands/command.ts';
import { collectByShare } from '../process/collect-by-share.ts';
import { systemClock } from '../shard/clock.ts';
import { HotTier } from '../shard/hot/hot-tier.ts';
import { indexBytesMaxOf, MemoryBudget } from '../shard/hot/memory-budget.ts';
import { Engine } from '../shard/keyspace/engine.ts';
import { KeyIndex } from '../shard/keyspace/key-index.ts';

const MiB = 1024 * 1024;
const limitBytes = Number(process.argv[2] ?? 256) * MiB;
const seconds = Number(process.argv[3] ?? 60);
const bytesPerMs = (Number(process.argv[4] ?? 1_000) * MiB) / 1_000;
const chunkBytes = 64 * 1024;

collectByShare('shard', limitBytes);

const hot = new HotTier({ limitBytes });
const index = new KeyIndex(hot, systemClock);
const engine = new Engine({
  clock: systemClock,
  index,
  hot,
  options: {
    acknowledgement: 'memory',
    minimumAcknowledgement: 'memory',
    diskThresholdBytes: 1_000_000,
    indexBytesMax: indexBytesMaxOf(limitBytes),
  },
});
const budget = new MemoryBudget({
  limitBytes,
  hotBytesMax: limitBytes * 0.75,
  hot,
  clock: systemClock,
  indexBytes: () => index.bytes,
  otherBytes: () => 0,
  residentBytes: process.memoryUsage.rss,
});

/** A fixed sequence (mulberry32), so that runs can be compared. */
let state = 1;
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

let chunk = Buffer.alloc(0);
let chunkAt = 0;
function valueAsItComes(bytes: number): Buffer {
  if (bytes > chunkBytes) return Buffer.allocUnsafeSlow(bytes).fill(1);
  if (chunkAt + bytes > chunk.byteLength) {
    chunk = Buffer.allocUnsafeSlow(chunkBytes).fill(1);
    chunkAt = 0;
  }
  chunkAt += bytes;
  return chunk.subarray(chunkAt - bytes, chunkAt);
}

/** Sizes drift: for a while mostly small ones, then mostly large ones, so that memory moves between kinds. */
function sizeAt(elapsedShare: number): number {
  const largeShare = 0.5 + 0.5 * Math.sin(elapsedShare * 12);
  if (random() > largeShare * 0.2) return Math.floor(100 * 40 ** random());
  return Math.floor(4_096 * 1_024 ** random());
}

const context = libraryContext(86_400_000);
const startMs = Date.now();
let commands = 0;
let bytes = 0;
let worst = 0;
/** What values in RAM had of the limit, report by report. */
const hotShares: number[] = [];
let nextReportMs = startMs + 1_000;
while (Date.now() - startMs < seconds * 1_000) {
  for (let batch = 0; batch < 64; batch++) {
    const key = Buffer.from(`key:${Math.floor(random() * 2_000_000)}`);
    const value = valueAsItComes(sizeAt((Date.now() - startMs) / (seconds * 1_000)));
    void engine.execute({ name: 'SET', args: [key, value] }, context);
    const other = Buffer.from(`key:${Math.floor(random() * 2_000_000)}`);
    void engine.execute({ name: 'GET', args: [other] }, context);
    commands += 2;
    bytes += value.byteLength;
  }
  if (Date.now() >= nextReportMs) {
    nextReportMs += 1_000;
    const { rss, heapUsed, external } = process.memoryUsage();
    // Ten seconds to settle.
    if (Date.now() - startMs > Math.min(10, seconds / 3) * 1_000) worst = Math.max(worst, rss / limitBytes);
    hotShares.push(hot.bytes / limitBytes);
    const mebi = (amount: number): string => (amount / MiB).toFixed(0).padStart(5);
    process.stdout.write(
      `${((Date.now() - startMs) / 1_000).toFixed(0).padStart(4)} s  resident ${mebi(rss)} MiB (${(rss / limitBytes).toFixed(2)})` +
        `  hot ${mebi(hot.bytes)} of ${mebi(hot.limitBytes)}  index ${mebi(index.bytes)}  heap ${mebi(heapUsed)}` +
        `  external ${mebi(external)}  unaccounted ${mebi(budget.unaccountedBytes)}\n`,
    );
  }
  await (bytes > (Date.now() - startMs) * bytesPerMs ? pause(1) : nextTurn());
}
const hotShare = hotShares.reduce((sum, share) => sum + share, 0) / hotShares.length;
const last = process.memoryUsage.rss() / limitBytes;
process.stdout.write(`${JSON.stringify({ commands, bytes, worst, last, hotShare, keys: index.size })}\n`);
budget.close();
engine.close();
