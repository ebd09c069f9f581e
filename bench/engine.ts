/**
 * The engine in process, without sockets and log: sets and gets of 100-byte values a second, and resident bytes a key.
 * Beside it, in the same run, lru-cache as a cache of its own: a Map of string keys over buffers from the pool.
 *
 *   node --expose-gc bench/engine.ts [keys=1000000]
 *
 * The figures behind the overheads in shard/hot/hot-tier.ts and shard/keyspace/key-index.ts come from here.
 */
import type { Command } from '../commands/command.ts';
import { libraryContext } from '../commands/command.ts';
import { LRUCache } from 'lru-cache';
import type { Executor } from '../commands/command.ts';
import { systemClock } from '../shard/clock.ts';
import { HotTier } from '../shard/hot/hot-tier.ts';
import { Engine } from '../shard/keyspace/engine.ts';
import { KeyIndex } from '../shard/keyspace/key-index.ts';

const keys = Number(process.argv[2] ?? 1_000_000);
const valueBytes = 100;
/** Commands are made in batches between the measured runs, so that the garbage collector has not all of them to keep. */
const batchCommands = 16_384;
const context = libraryContext(600_000);

/** Commands as a door makes them: arguments are slices of what a socket read. */
function commands(name: 'GET' | 'SET', from: number, order: (place: number) => number): Command[] {
  const list: Command[] = [];
  const frameBytes = valueBytes + 16;
  let chunk = Buffer.alloc(0);
  for (let place = from; place < Math.min(keys, from + batchCommands); place++) {
    const at = (place % 512) * frameBytes;
    if (at === 0) chunk = Buffer.allocUnsafeSlow(512 * frameBytes);
    chunk.write(`key:${String(order(place)).padStart(12, '0')}`, at);
    const key = chunk.subarray(at, at + 16);
    list.push({ name, args: name === 'GET' ? [key] : [key, chunk.subarray(at + 16, at + frameBytes).fill(place)] });
  }
  return list;
}

function collect(): void {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
}

function residentBytes(): number {
  collect();
  return process.memoryUsage.rss();
}

/** Millions of commands a second, of this thread's CPU time: other processes on the machine do not count. */
function rate(executor: Executor, name: 'GET' | 'SET', order: (place: number) => number): number {
  let elapsedUs = 0;
  for (let from = 0; from < keys; from += batchCommands) {
    const list = commands(name, from, order);
    const start = process.threadCpuUsage();
    for (const command of list) void executor.execute(command, context);
    const { user, system } = process.threadCpuUsage(start);
    elapsedUs += user + system;
  }
  return keys / elapsedUs;
}

const inOrder = (place: number): number => place;
const shuffled = (place: number): number => (place * 7_919) % keys;

/** Prints rates; returns resident bytes a key, which only the first to measure in a process can tell. */
function measure(title: string, executor: Executor): number {
  const before = residentBytes();
  const setNew = rate(executor, 'SET', inOrder);
  const residentPerKey = (residentBytes() - before) / keys;
  const rates = {
    'set new': setNew,
    'set again': rate(executor, 'SET', inOrder),
    'get shuffled': rate(executor, 'GET', shuffled),
    'get in order': rate(executor, 'GET', inOrder),
  };
  const texts = Object.entries(rates).map(([what, perSecond]) => `${what} ${perSecond.toFixed(2)} M/s`);
  process.stdout.write(`${title}: ${texts.join(', ')}\n`);
  return residentPerKey;
}

function lruCache(): Executor {
  const cache = new LRUCache<string, Buffer>({ maxSize: 8 * 1024 ** 3, sizeCalculation: (value) => value.byteLength });
  return {
    execute({ name, args }) {
      const key = args[0]!.toString('latin1');
      if (name === 'GET') return cache.get(key) ?? null;
      cache.set(key, Buffer.from(args[1]!));
      return 'OK';
    },
  };
}

const hot = new HotTier({ limitBytes: 8 * 1024 ** 3 });
const index = new KeyIndex(hot, systemClock);
const engine = new Engine({
  clock: systemClock,
  index,
  hot,
  options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: 1_000_000 },
});
process.stdout.write(`${keys} keys of 16 B with values of ${valueBytes} B\n`);
const residentPerKey = measure('engine   ', engine);
const { bytes } = engine.stats();
process.stdout.write(
  `           ${residentPerKey.toFixed(0)} B resident a key, accounted ${((bytes.hot + bytes.index) / keys).toFixed(0)} B ` +
    `(hot ${(bytes.hot / keys).toFixed(0)}, index ${(bytes.index / keys).toFixed(0)})\n`,
);
measure('lru-cache', lruCache());
engine.close();
