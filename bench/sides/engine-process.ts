/**
 * A cache in process, without sockets and log, loaded by its own thread: `node --expose-gc bench/sides/engine-process.ts
 * engine|lru-cache`. Asked for a load by message, it answers with commands a second of this thread's processor time, so
 * that other processes of the machine do not count, and with resident bytes a key for a load that fills it.
 *
 * The figures behind the overheads in shard/hot/hot-tier.ts and shard/keyspace/key-index.ts come from here, and from the
 * memory of shards with ten million keys (bench/scenarios/memory.ts).
 */
import { LRUCache } from 'lru-cache';
import { type Command, type Executor, libraryContext } from '../../commands/command.ts';
import { systemClock } from '../../shard/clock.ts';
import { HotTier } from '../../shard/hot/hot-tier.ts';
import { Engine } from '../../shard/keyspace/engine.ts';
import { KeyIndex } from '../../shard/keyspace/key-index.ts';

export interface EngineLoad {
  readonly kind: 'set' | 'get' | 'concurrent' | 'mixed';
  readonly commands: number;
  /** Of which every command has one. */
  readonly keys: number;
}

export interface EngineResult {
  readonly perSecond: number;
  /** Only of the first load that sets, which fills an empty cache. */
  readonly residentBytesPerKey: number | undefined;
}

const valueBytes = 100;
/** Made between the measured runs, as many as the processor has at hand when they are executed, as those of a door are. */
const batchCommands = 512;
const limitBytes = 8 * 1024 ** 3;
/** Callers that each wait for their own command. */
const callers = 64;
/** Of five mixed commands one is a set. */
const mixedCommands = 5;
const context = libraryContext(600_000);

/** Commands as a door makes them: arguments are slices of what a socket read. */
function commandsOf({ kind, commands, keys }: EngineLoad, from: number): Command[] {
  const list: Command[] = [];
  const frameBytes = valueBytes + 16;
  let chunk = Buffer.alloc(0);
  for (let place = from; place < Math.min(commands, from + batchCommands); place++) {
    const at = (place % 512) * frameBytes;
    if (at === 0) chunk = Buffer.allocUnsafeSlow(512 * frameBytes);
    const isSet = kind === 'set' || (kind !== 'get' && place % mixedCommands === 0);
    // Filled in order, read in another one.
    const index = (kind === 'set' ? place : place * 7_919) % keys;
    chunk.write(`key:${String(index).padStart(12, '0')}`, at);
    const key = chunk.subarray(at, at + 16);
    const value = chunk.subarray(at + 16, at + frameBytes);
    list.push(isSet ? { name: 'SET', args: [key, value.fill(place)] } : { name: 'GET', args: [key] });
  }
  return list;
}

async function execute(executor: Executor, list: readonly Command[], kind: EngineLoad['kind']): Promise<void> {
  if (kind !== 'concurrent') {
    for (const command of list) void executor.execute(command, context);
    return;
  }
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < list.length) await executor.execute(list[next++]!, context);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function perSecond(executor: Executor, load: EngineLoad): Promise<number> {
  let elapsedUs = 0;
  for (let from = 0; from < load.commands; from += batchCommands) {
    const list = commandsOf(load, from);
    const start = process.threadCpuUsage();
    await execute(executor, list, load.kind);
    const { user, system } = process.threadCpuUsage(start);
    elapsedUs += user + system;
  }
  return (load.commands * 1e6) / elapsedUs;
}

function residentBytes(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

function ownEngine(): Executor {
  const hot = new HotTier({ limitBytes });
  return new Engine({
    clock: systemClock,
    index: new KeyIndex(hot, systemClock),
    hot,
    options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: 1_000_000 },
  });
}

/** A cache as it is usually made: a Map of string keys over buffers from the pool. */
function lruCache(): Executor {
  const cache = new LRUCache<string, Buffer>({ maxSize: limitBytes, sizeCalculation: (value) => value.byteLength });
  return {
    execute({ name, args }) {
      const key = args[0]!.toString('latin1');
      if (name === 'GET') return cache.get(key) ?? null;
      cache.set(key, Buffer.from(args[1]!));
      return 'OK';
    },
  };
}

const executor = process.argv[2] === 'engine' ? ownEngine() : lruCache();
let isEmpty = true;

async function measure(load: EngineLoad): Promise<EngineResult> {
  const before = isEmpty ? residentBytes() : NaN;
  const result = await perSecond(executor, load);
  const residentBytesPerKey = isEmpty ? (residentBytes() - before) / load.keys : undefined;
  isEmpty = false;
  return { perSecond: result, residentBytesPerKey };
}

process.on('message', (load: EngineLoad) => void measure(load).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
