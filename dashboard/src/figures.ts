/**
 * From what the server counts since its start to what happens now: two looks, and the difference between them.
 *
 * A counter that has become smaller belongs to a process that was started again; such an interval counts from zero.
 */

export interface KindFigures {
  readonly count: number;
  readonly errors: number;
  /** Calls by bucket of latency, the last one above all bounds. */
  readonly latency: readonly number[];
}

export interface ShardFigures {
  readonly name: string;
  readonly error?: string;
  readonly uptimeMs?: number;
  readonly epoch?: number;
  readonly keys?: number;
  readonly blocks?: number;
  readonly hot?: { readonly bytes: number; readonly bytesMax: number };
  readonly index?: { readonly bytes: number };
  readonly reads?: { readonly hot: number; readonly cold: number; readonly miss: number };
  readonly evictions?: { readonly copies: number; readonly keys: number; readonly files: number };
  readonly memory?: { readonly residentBytes: number };
  readonly disk?: { readonly bytes: number; readonly bytesMax: number; readonly segments: number };
  readonly blob?: {
    readonly state: string;
    readonly bytes: number;
    readonly unflushedBytes: number;
    readonly lagMs: number;
  };
  readonly handover?: { readonly slotsArriving: number; readonly keysLeft: number; readonly bytesLeft: number };
  readonly links?: number;
  readonly fault?: string;
}

export interface Statistics {
  readonly time_ms: number;
  readonly process: {
    readonly role: 'router' | 'shard';
    readonly name: string;
    readonly uptime_ms: number;
    readonly resident_bytes: number;
  };
  readonly latency_bounds: readonly number[];
  readonly commands: Readonly<Record<string, KindFigures>>;
  readonly shards: readonly ShardFigures[];
}

/** What happened between two looks, and how things are at the second. Rates are a second's. */
export interface Moment {
  readonly timeMs: number;
  readonly commandsPerSecond: number;
  readonly errorsPerSecond: number;
  /** Undefined where nothing was asked. Seconds. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Shares of the reads of shards; undefined where there were none. */
  readonly hitRate: number | undefined;
  readonly evictionsPerSecond: number;
  readonly bytes: { readonly ram: number; readonly disk: number; readonly blob: number };
  readonly blobLagSeconds: number;
  readonly keys: number;
  readonly blocks: number;
}

function grown(now: number, before: number): number {
  return now >= before ? now - before : now;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number | undefined): number {
  return items.reduce((total, item) => total + (of(item) ?? 0), 0);
}

/** Calls by bucket over all kinds, between two looks. */
function latencyBetween(before: Statistics, now: Statistics): number[] {
  const buckets = Array.from({ length: now.latency_bounds.length + 1 }, () => 0);
  for (const [kind, { latency }] of Object.entries(now.commands)) {
    const earlier = before.commands[kind]?.latency ?? [];
    const isSameProcess = (before.commands[kind]?.count ?? 0) <= now.commands[kind]!.count;
    for (const [place, value] of latency.entries()) {
      buckets[place] = buckets[place]! + (isSameProcess ? value - (earlier[place] ?? 0) : value);
    }
  }
  return buckets;
}

/** The value below which `share` of the observations are, within its bucket as if they lay evenly. */
export function quantile(bounds: readonly number[], buckets: readonly number[], share: number): number | undefined {
  const total = buckets.reduce((all, value) => all + value, 0);
  if (total === 0) return undefined;
  let before = 0;
  for (const [place, value] of buckets.entries()) {
    if (value > 0 && before + value >= share * total) {
      const from = place === 0 ? 0 : bounds[place - 1]!;
      const to = bounds[place] ?? from;
      return from + ((share * total - before) / value) * (to - from);
    }
    before += value;
  }
  return bounds.at(-1);
}

export function momentOf(before: Statistics, now: Statistics): Moment {
  const elapsed = Math.max(0.001, (now.time_ms - before.time_ms) / 1_000);
  const kinds = Object.keys(now.commands);
  const change = (of: 'count' | 'errors'): number =>
    sum(kinds, (kind) => grown(now.commands[kind]![of], before.commands[kind]?.[of] ?? 0)) / elapsed;
  const earlier = new Map(before.shards.map((shard) => [shard.name, shard]));
  const shardChange = (of: (shard: ShardFigures) => number | undefined): number =>
    sum(now.shards, (shard) => {
      const known = earlier.get(shard.name);
      // A shard that was away has no earlier look: its whole past is not what happens now.
      return known === undefined || of(known) === undefined ? 0 : grown(of(shard) ?? 0, of(known)!);
    });
  const hits = shardChange(({ reads }) => reads && reads.hot + reads.cold);
  const misses = shardChange(({ reads }) => reads?.miss);
  const buckets = latencyBetween(before, now);
  return {
    timeMs: now.time_ms,
    commandsPerSecond: change('count'),
    errorsPerSecond: change('errors'),
    p50: quantile(now.latency_bounds, buckets, 0.5),
    p99: quantile(now.latency_bounds, buckets, 0.99),
    hitRate: hits + misses === 0 ? undefined : hits / (hits + misses),
    evictionsPerSecond: shardChange(({ evictions }) => evictions && evictions.copies + evictions.keys) / elapsed,
    bytes: {
      ram: sum(now.shards, ({ hot, index }) => (hot?.bytes ?? 0) + (index?.bytes ?? 0)),
      disk: sum(now.shards, ({ disk }) => disk?.bytes),
      blob: sum(now.shards, ({ blob }) => blob?.bytes),
    },
    blobLagSeconds: Math.max(0, ...now.shards.map(({ blob }) => (blob?.lagMs ?? 0) / 1_000)),
    keys: sum(now.shards, ({ keys }) => keys),
    blocks: sum(now.shards, ({ blocks }) => blocks),
  };
}
