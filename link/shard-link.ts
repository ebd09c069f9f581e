/**
 * The router's end of the link to one shard.
 *
 *   connecting → ready ⇄ away → closed
 *
 * A link is a session of several gRPC streams, each on a connection of its own: one lane for small commands and a few
 * for large values. Commands whose arguments are large go up a large lane, replies that are large come down one, so
 * neither holds up a small command; ids tell the shard's replies apart, whichever lane they come on. Small commands of
 * one tick travel as one batch. Commands in flight together have no order among each other.
 *
 * Liveness. The shard begins every lane with a hello and repeats it on the small lane every `linkHeartbeatMs`. After
 * `linkHeartbeatsMissedMax` beats without a byte the shard is away: stopped, cut off or too busy to serve. Beats are
 * counted by this process's own timer, so its own stalls are not held against the shard. When any lane breaks the whole
 * link is away. Then everything in flight fails with UNAVAILABLE at once, new commands fail at once, and the link
 * connects again after a delay that doubles and is drawn at random. Only before the first connection do commands wait.
 *
 * Bounds. Commands and bytes that have no reply yet are bounded; beyond that a command is answered TRYAGAIN and nothing
 * was done. A command ends at its deadline, or when its caller aborts, whatever the shard does.
 */
import type { Command, CommandContext, ReplySink, Upload } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import type { DeadlineWheel } from '../grpc/deadline-wheel.ts';
import {
  commandDeadlineMaxMs,
  linkFrameBytesMax,
  linkQueueBytesMax,
  linkQueueCommandsMax,
  linkReconnectDelayMaxMs,
  linkReconnectDelayMinMs,
} from '../limits.ts';
import type { ChannelTlsSource } from '../security/tls.ts';
import { type AbortWatch, AbortWatches } from './abort-watches.ts';
import { commandBytes } from './batch.ts';
import { helloId, LinkConnection, type LinkConnectionListener } from './connection.ts';
import type { Lane } from './lane.ts';
import { LatencyHistogram } from './latency.ts';
import { PendingCommand } from './pending.ts';
import { PendingCommands } from './pending-commands.ts';

export type LinkState = 'connecting' | 'ready' | 'away' | 'closed';

export interface ShardLinkOptions {
  readonly shard: string;
  /** host:port of the shard's internal listener. */
  readonly address: string;
  /** Shared by all links of a process. */
  readonly deadlines: DeadlineWheel;
  /** What the shard's internal listener asks for, if anything; a function is asked at every new connection. */
  readonly secret?: string | (() => string | undefined) | undefined;
  /** Undefined: plain text. */
  readonly tls?: ChannelTlsSource | undefined;
  readonly queueCommandsMax?: number;
  readonly queueBytesMax?: number;
  readonly heartbeatMs?: number;
  /** Called after every change of state. */
  readonly onState?: ((link: ShardLink) => void) | undefined;
  /** Called with every hello of the shard; `shardEpoch` says which epoch it runs. */
  readonly onEpoch?: ((link: ShardLink) => void) | undefined;
}

export interface LinkStatistics {
  readonly shard: string;
  readonly address: string;
  readonly state: LinkState;
  /** Why the link is away; undefined otherwise. */
  readonly fault: string | undefined;
  /** The topology epoch that the shard said it runs. */
  readonly shardEpoch: number | undefined;
  /** Commands without a reply yet, their bytes, and how many of them are not yet sent. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
  readonly queued: number;
  /** Since the start; batches since the link was last connected. */
  readonly batches: number;
  readonly commands: number;
  readonly errors: number;
  readonly refused: number;
  readonly timeouts: number;
  readonly connects: number;
  /** Arguments that were sent ahead of their commands. */
  readonly uploads: number;
  readonly latency: LatencyHistogram;
}

/** Room for the frame around a command. */
const frameOverheadBytes = 1_024;

export class ShardLink implements LinkConnectionListener {
  readonly shard: string;
  readonly address: string;
  readonly #options: ShardLinkOptions;
  readonly #pending: PendingCommands;
  readonly #watches = new AbortWatches((watch, only) => this.#onAbort(watch, only));
  readonly #latency = new LatencyHistogram();
  readonly #flush = (): void => this.#onFlush();
  #state: LinkState = 'connecting';
  #connection: LinkConnection;
  #failures = 0;
  #fault: string | undefined;
  #bytes = 0;
  #flushScheduled = false;
  #tickMs = 0;
  #tickDateMs = 0;
  /** performance.now() when replies came last. */
  #repliesMs = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #shardEpoch: number | undefined;
  #commands = 0;
  #errors = 0;
  #refused = 0;
  #timeouts = 0;
  #connects = 0;
  #uploads = 0;

  constructor(options: ShardLinkOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.address = options.address;
    this.#pending = new PendingCommands(options.deadlines, helloId, (pending) => this.#onDue(pending));
    this.#connection = this.#connect();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Why the link is away; undefined otherwise. */
  get fault(): string | undefined {
    return this.#state === 'away' ? this.#fault : undefined;
  }

  /** Sends a command. The sink gets exactly one reply, perhaps before this returns. */
  submit(command: Command, context: CommandContext, epoch: number | undefined, sink: ReplySink, token: number): void {
    this.#commands += 1;
    const bytes = commandBytes(command);
    this.#beginTick();
    const dueMs = Math.min(context.deadlineMs, this.#tickDateMs + commandDeadlineMaxMs);
    const upload = this.#connection.readyUpload(command.upload);
    // Behind its pieces, where there are any.
    const lane = upload?.lane ?? this.#connection.laneFor(bytes);
    const refusal = this.#refusal(context, dueMs, bytes, lane);
    if (refusal !== undefined) {
      this.#refused += 1;
      sink.reply(token, refusal);
      return;
    }
    const pending = new PendingCommand(command, context, dueMs, epoch, sink, token, bytes, this.#tickMs, upload);
    if (context.signal !== undefined) pending.watch = this.#watches.enter(context.signal, pending);
    this.#pending.add(pending);
    this.#bytes += bytes;
    lane.enqueue(pending);
  }

  /** Begins to send an argument ahead of its command; undefined if that is of no use now. */
  beginUpload(argument: number, bytes: number): Upload | undefined {
    if (this.#state !== 'ready') return undefined;
    const upload = this.#connection.beginUpload(argument, bytes);
    if (upload !== undefined) this.#uploads += 1;
    return upload;
  }

  flushLater(): void {
    this.#beginTick();
  }

  /** Ends the link; whatever is in flight fails. */
  close(): void {
    if (this.#state === 'closed') return;
    clearTimeout(this.#retryTimer);
    this.#connection.close();
    this.#setState('closed');
    this.#failAll('the link was closed');
  }

  stats(): LinkStatistics {
    return {
      shard: this.shard,
      address: this.address,
      state: this.#state,
      fault: this.fault,
      shardEpoch: this.#shardEpoch,
      inFlight: this.#pending.size,
      inFlightBytes: this.#bytes,
      queued: this.#connection.queued,
      batches: this.#connection.batches,
      commands: this.#commands,
      errors: this.#errors,
      refused: this.#refused,
      timeouts: this.#timeouts,
      connects: this.#connects,
      uploads: this.#uploads,
      latency: this.#latency,
    };
  }

  onReplies(): void {
    this.#repliesMs = performance.now();
  }

  onReply(id: number, reply: Reply): void {
    const pending = this.#pending.get(id);
    // Its deadline struck or its caller left: nobody waits for the reply.
    if (pending !== undefined) this.#settle(pending, reply, this.#repliesMs);
  }

  /** The topology epoch that the shard said it runs. */
  get shardEpoch(): number | undefined {
    return this.#shardEpoch;
  }

  onShardEpoch(epoch: number): void {
    this.#shardEpoch = epoch;
    this.#options.onEpoch?.(this);
  }

  onReady(): void {
    this.#failures = 0;
    this.#connects += 1;
    this.#setState('ready');
    this.#connection.flush();
    // The shard's epoch came with its first hello, before commands could be sent.
    this.#options.onEpoch?.(this);
  }

  onLost(fault: string): void {
    this.#fault = fault;
    this.#setState('away');
    this.#failAll(fault);
    const delayMs = Math.min(linkReconnectDelayMaxMs, linkReconnectDelayMinMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retryTimer = setTimeout(
      () => {
        this.#connection = this.#connect();
      },
      delayMs * (0.5 + Math.random() / 2),
    );
    this.#retryTimer.unref();
  }

  #name(): string {
    return `shard ${this.shard} at ${this.address}`;
  }

  /** The clocks are read once a tick. */
  #beginTick(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#tickMs = performance.now();
    this.#tickDateMs = Date.now();
    // After all sockets of this turn were read, so that commands of many connections share a batch.
    setImmediate(this.#flush);
  }

  #refusal(context: CommandContext, dueMs: number, bytes: number, lane: Lane): ReplyError | undefined {
    if (this.#state === 'away' || this.#state === 'closed') {
      const reason = this.#state === 'closed' ? 'the link was closed' : this.#fault;
      return new ReplyError('UNAVAILABLE', `${this.#name()} cannot be reached: ${reason}`);
    }
    if (context.signal?.aborted) return cancelled();
    if (dueMs <= this.#tickDateMs) return new ReplyError('TIMEOUT', 'the deadline passed before the command was sent');
    if (bytes > linkFrameBytesMax - frameOverheadBytes) {
      return new ReplyError('TOOLARGE', `a command of ${bytes} bytes is above what a link carries`);
    }
    const { queueCommandsMax = linkQueueCommandsMax, queueBytesMax = linkQueueBytesMax } = this.#options;
    // A value above the bound by itself may still travel alone.
    const bytesFit = this.#bytes === 0 || this.#bytes + bytes <= queueBytesMax;
    if (bytesFit && this.#pending.size < queueCommandsMax && lane.queued < queueCommandsMax) return undefined;
    const waiting = `${this.#pending.size} commands with ${this.#bytes} bytes wait for ${this.#name()}`;
    return new ReplyError('TRYAGAIN', `${waiting}; nothing was done, try again`);
  }

  #onDue(pending: PendingCommand): void {
    this.#timeouts += 1;
    this.#settle(pending, new ReplyError('TIMEOUT', `${this.#name()} did not answer in time`), performance.now());
  }

  #onAbort(watch: AbortWatch, only: PendingCommand | undefined): void {
    const nowMs = performance.now();
    const pending = only === undefined ? this.#pending.all().filter((each) => each.watch === watch) : [only];
    for (const each of pending) this.#settle(each, cancelled(), nowMs);
  }

  #onFlush(): void {
    this.#flushScheduled = false;
    if (this.#state === 'ready') this.#connection.flush();
  }

  #settle(pending: PendingCommand, reply: Reply, nowMs: number): void {
    if (pending.command === undefined) return;
    pending.command = undefined;
    this.#pending.remove(pending);
    this.#bytes -= pending.bytes;
    if (pending.watch !== undefined) this.#watches.leave(pending.watch);
    if (reply instanceof ReplyError) this.#errors += 1;
    this.#latency.record(nowMs - pending.submittedMs);
    pending.sink.reply(pending.token, reply);
  }

  #connect(): LinkConnection {
    return new LinkConnection(this.#options, this);
  }

  #failAll(fault: string): void {
    const nowMs = performance.now();
    for (const pending of this.#pending.all()) {
      const what = pending.sent ? 'went away before it answered' : 'cannot be reached';
      this.#settle(pending, new ReplyError('UNAVAILABLE', `${this.#name()} ${what}: ${fault}`), nowMs);
    }
  }

  #setState(state: LinkState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(this);
  }
}

function cancelled(): ReplyError {
  return new ReplyError('CANCELLED', 'the caller cancelled the command');
}
