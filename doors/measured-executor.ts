/**
 * What doors ask of an executor, counted and timed under the names that users of the Go KVCache have in their
 * dashboards: kv_gets_total, kv_get_errors_total, kv_get_latency_seconds and so on for every kind of command
 * (command-kinds.ts). Prompt blocks have the same three under kv_block_lookup, kv_block_read and kv_block_write.
 *
 * All are counted, some are timed: of each kind the first in a millisecond and every sixteenth, so that nothing is
 * missed where little happens, and the others are taken to have lasted as long as the last of these. A command that is
 * answered at once costs a few additions: no closure, no promise, no label. A miss is a success; a command fails when its
 * reply is an error.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import {
  type Command,
  type CommandContext,
  type Executor,
  libraryContext,
  type ReplySink,
  type Upload,
} from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { metricsGatherTimeoutMs } from '../limits.ts';
import { type CommandKind, commandKinds, kindsOfCommands } from './command-kinds.ts';
import { LatencyHistogram } from './latency-histogram.ts';

/** What is counted of one kind of command since the start; `latency` has a count for each of `latencyBounds` and one more. */
export interface KindFigures {
  readonly count: number;
  readonly errors: number;
  readonly latency: readonly number[];
}

/** In place of a time that was not taken. */
const untimed = -1;
/** A mask: one command in sixteen. */
const timedEvery = 15;

/** Calls, faults and times of one kind of command. */
class CommandFigures {
  readonly kind: string;
  readonly #latency: LatencyHistogram;
  #errors = 0;
  #begun = 0;
  #timedDeadlineMs = 0;

  constructor(registry: Registry, kind: string, what: string) {
    const latency = new LatencyHistogram(registry, `kv_${kind}_latency_seconds`, `Time that ${what} took.`);
    this.kind = kind;
    this.#latency = latency;
    counter(registry, `kv_${kind}s_total`, `How many ${what} there were.`, () => latency.count);
    counter(registry, `kv_${kind}_errors_total`, `How many ${what} failed.`, () => this.#errors);
  }

  get figures(): KindFigures {
    return { count: this.#latency.count, errors: this.#errors, latency: this.#latency.counts };
  }

  /** A command begins: the time, or `untimed`. Deadlines tell milliseconds apart without a look at the clock. */
  begin({ deadlineMs }: CommandContext): number {
    this.#begun += 1;
    if (deadlineMs === this.#timedDeadlineMs && (this.#begun & timedEvery) !== 0) return untimed;
    this.#timedDeadlineMs = deadlineMs;
    return performance.now();
  }

  add(reply: Reply, startedMs: number): Reply {
    if (startedMs === untimed) this.#latency.observeUntimed();
    else this.#latency.observeSample((performance.now() - startedMs) / 1_000);
    if (reply instanceof ReplyError) this.#errors++;
    return reply;
  }

  /** One that was not answered at once, as others are: it says nothing of these. */
  addLate(reply: Reply, startedMs: number): Reply {
    this.#latency.observe((performance.now() - startedMs) / 1_000);
    if (reply instanceof ReplyError) this.#errors++;
    return reply;
  }
}

/** A counter whose value is kept elsewhere. */
function counter(registry: Registry, name: string, help: string, value: () => number): void {
  const metric: Counter = new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      metric.reset();
      metric.inc(value());
    },
  });
}

/** Registers all names at once, so that a dashboard finds them at zero. */
export class KvMetrics {
  readonly #byKind: ReadonlyMap<CommandKind, CommandFigures>;
  readonly #byCommand: ReadonlyMap<string, CommandFigures>;
  readonly #deletes: CommandFigures;
  readonly #manyDeletes: CommandFigures;
  readonly #healthChecks: LatencyHistogram;
  #configUpdates = 0;

  constructor(registry: Registry) {
    const kinds = Object.entries(commandKinds) as [CommandKind, string][];
    this.#byKind = new Map(kinds.map(([kind, what]) => [kind, new CommandFigures(registry, kind, what)]));
    this.#byCommand = new Map([...kindsOfCommands].map(([name, kind]) => [name, this.#byKind.get(kind)!]));
    this.#deletes = this.#byKind.get('delete')!;
    this.#manyDeletes = this.#byKind.get('mdelete')!;
    this.#healthChecks = new LatencyHistogram(
      registry,
      'kv_health_check_latency_seconds',
      'Time that health checks took.',
    );
    counter(registry, 'kv_health_checks_total', 'How many health checks there were.', () => this.#healthChecks.count);
    counter(registry, 'kv_config_updates_total', 'How often settings were changed.', () => this.#configUpdates);
  }

  configUpdated(): void {
    this.#configUpdates++;
  }

  healthChecked(seconds: number): void {
    this.#healthChecks.observe(seconds);
  }

  /** By kind: `get`, `mget`, `block_lookup` and so on. */
  figures(): Record<string, KindFigures> {
    return Object.fromEntries([...this.#byKind].map(([kind, { figures }]) => [kind, figures]));
  }

  /** Undefined for commands that are not counted. */
  figuresOf({ name, args }: Command): CommandFigures | undefined {
    const figures = this.#byCommand.get(name);
    // The second argument of VERSION.DEL is a clock, and not another key.
    return figures === this.#deletes && args.length > 1 && name !== 'VERSION.DEL' ? this.#manyDeletes : figures;
  }
}

export class MeasuredExecutor implements Executor {
  /** Where the measured one has it. */
  readonly submit?: NonNullable<Executor['submit']>;
  readonly #inner: Executor;
  readonly #metrics: KvMetrics;

  constructor(inner: Executor, metrics: KvMetrics) {
    this.#inner = inner;
    this.#metrics = metrics;
    if (inner.submit === undefined) return;
    this.submit = (command, context, sink, token) => {
      const figures = metrics.figuresOf(command);
      if (figures === undefined) inner.submit!(command, context, sink, token);
      else inner.submit!(command, context, new MeasuredReply(figures, figures.begin(context), sink), token);
    };
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const figures = this.#metrics.figuresOf(command);
    if (!figures) return this.#inner.execute(command, context);
    const startedMs = figures.begin(context);
    const reply = this.#inner.execute(command, context);
    if (!(reply instanceof Promise)) return figures.add(reply, startedMs);
    // Until now it took next to nothing.
    const begunMs = startedMs === untimed ? performance.now() : startedMs;
    return reply.then((value) => figures.addLate(value, begunMs));
  }

  beginUpload(name: string, args: readonly Buffer[], bytes: number): Upload | undefined {
    return this.#inner.beginUpload?.(name, args, bytes);
  }
}

/** Hands a reply on and adds it to the figures. */
class MeasuredReply implements ReplySink {
  readonly #figures: CommandFigures;
  readonly #startedMs: number;
  readonly #sink: ReplySink;

  constructor(figures: CommandFigures, startedMs: number, sink: ReplySink) {
    this.#figures = figures;
    this.#startedMs = startedMs;
    this.#sink = sink;
  }

  reply(token: number, reply: Reply): void {
    this.#sink.reply(token, this.#figures.add(reply, this.#startedMs));
  }
}

/** What SHARDINFO tells that these gauges show; shard/info.ts has all of it. */
interface StorageFigures {
  readonly keys: number;
  readonly hot: { readonly bytes: number };
  readonly index: { readonly bytes: number };
  readonly disk: { readonly bytes: number };
}

const storageGauges: readonly (readonly [name: string, help: string, value: (figures: StorageFigures) => number])[] = [
  ['kv_keys_current', 'Keys that are stored, prompt blocks aside.', (figures) => figures.keys],
  ['storage_disk_usage_bytes', 'Bytes on disk.', (figures) => figures.disk.bytes],
  [
    'storage_memory_usage_bytes',
    'Bytes of values and index in RAM.',
    (figures) => figures.hot.bytes + figures.index.bytes,
  ],
];

/**
 * Keys, disk and memory, of one shard or of all behind a router, asked for when metrics are read. Shards that do not
 * answer are left out.
 */
export function addStorageGauges(registry: Registry, executor: Executor): void {
  let asked: Promise<StorageFigures[]> | undefined;
  // One question for all gauges of a scrape: they are read in one go.
  const figures = (): Promise<StorageFigures[]> => {
    asked ??= storageFigures(executor).finally(() => {
      asked = undefined;
    });
    return asked;
  };
  for (const [name, help, value] of storageGauges) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const shards = await figures();
        gauge.set(shards.reduce((sum, shard) => sum + value(shard), 0));
      },
    });
  }
}

async function storageFigures(executor: Executor): Promise<StorageFigures[]> {
  const reply = await executor.execute({ name: 'SHARDINFO', args: [] }, libraryContext(metricsGatherTimeoutMs));
  const replies = Array.isArray(reply) ? reply : [reply];
  return replies.flatMap((item) =>
    Buffer.isBuffer(item) ? [JSON.parse(item.toString('utf8')) as StorageFigures] : [],
  );
}
