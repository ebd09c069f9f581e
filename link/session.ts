/**
 * One router's link, as the shard sees it: its lanes, its commands at work, and the replies on their way back.
 *
 *   batch → executor → small or large lane → batch
 *      └ held ┘                                 beyond the bounds
 *
 * Commands run in the order they came. Replies that the executor has at once go back together in the tick that brought
 * the commands; later ones follow in any order. A reply above `linkLargeValueBytes` takes a large lane, whatever lane
 * its command came on, so that it holds up no small one.
 *
 * Bounds. Commands at work count with their bytes, replies until the stream takes them. Above the bound the session
 * stops executing: what is already here is held and the lanes are read no further, so that flow control reaches the
 * router, which then refuses by itself. Both go on as replies leave. Without this a thousand reads of large values in
 * one batch would put a thousand values in memory.
 */
import { setMaxListeners } from 'node:events';
import type { CommandContext, Executor, Session } from '../commands/command.ts';
import { type Reply, replyBytes, ReplyError, replyErrorOf, ReplyMap } from '../commands/reply.ts';
import { messageOf } from '../errors.ts';
import { GrpcError, grpcStatus } from '../grpc/status.ts';
import type { ReceiveMemory } from '../receive-memory.ts';
import { linkLargeValueBytes, linkServerInFlightCommandsMax } from '../limits.ts';
import { commandBytes, decodeCommands, type LinkCommand } from './batch.ts';
import { Fifo } from '../fifo.ts';
import { frameKinds, kindOfFrame } from './frame-head.ts';
import type { LaneKind } from './lane.ts';
import { ReplyLane } from './reply-lane.ts';
import type { ServerLinkStream } from './server.ts';
import { Staging } from './staging.ts';
import { decodePiece } from './upload-piece.ts';

export interface LinkSessionOptions {
  readonly shard: string;
  readonly epoch: () => number;
  readonly executor: Executor;
  readonly inFlightBytesMax: number;
  readonly peer: string;
  /** In which large lanes receive. */
  readonly memory: ReceiveMemory;
}

interface HeldCommand {
  readonly command: LinkCommand;
  readonly bytes: number;
  readonly deadlineMs: number;
}

const helloId = 0;

export class LinkSession {
  /** Called once when the link is over. */
  onClosed: () => void = () => undefined;
  readonly #options: LinkSessionOptions;
  readonly #session: Session;
  readonly #gone = new AbortController();
  readonly #lanes: ReplyLane[] = [];
  readonly #flush = (): void => this.#onFlush();
  readonly #held = new Fifo<HeldCommand>();
  readonly #staging: Staging;
  readonly #takeUpload = (id: number): Buffer => this.#staging.take(id);
  #heldBytes = 0;
  #executing = 0;
  #executingBytes = 0;
  #commands = 0;
  #context: CommandContext;
  #flushScheduled = false;
  #paused = false;
  #draining = false;
  #onDrained: (() => void) | undefined;
  #closed = false;

  constructor(options: LinkSessionOptions) {
    this.#options = options;
    this.#staging = new Staging(options.memory);
    this.#session = { door: 'link', peer: options.peer, tenant: '' };
    this.#context = { session: this.#session, deadlineMs: 0 };
    // Every command at work may listen for the end of its link.
    setMaxListeners(0, this.#gone.signal);
  }

  get inFlight(): number {
    return this.#executing + this.#held.length;
  }

  get inFlightBytes(): number {
    return this.#heldBytes + this.#workBytes + this.#staging.bytes;
  }

  get commands(): number {
    return this.#commands;
  }

  attach(kind: LaneKind, stream: ServerLinkStream): void {
    const lane = new ReplyLane(kind, stream, () => this.#onRoom());
    this.#lanes.push(lane);
    stream.onMessage = (batch) => this.#onBatch(batch, stream);
    stream.onRemoteEnd = () => this.#close();
    void stream.closed.then(() => this.#close());
    lane.push(helloId, this.#hello());
    lane.flush();
  }

  /** Says to the router that this shard is there, and which epoch it runs. */
  greet(): void {
    const lane = this.#lanes.find(({ kind }) => kind === 'small');
    lane?.push(helloId, this.#hello());
    lane?.flush();
  }

  /** Resolves when every command taken so far is answered and sent, or after `graceMs`; then the link is ended. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    if (!this.#isIdle()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onDrained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#close();
  }

  #hello(): Reply {
    return new ReplyMap([
      ['shard', this.#options.shard],
      ['epoch', this.#options.epoch()],
    ]);
  }

  #onBatch(batch: Buffer, stream: ServerLinkStream): void {
    const { memory } = this.#options;
    let commands: LinkCommand[];
    try {
      if (kindOfFrame(batch) === frameKinds.piece) {
        this.#staging.accept(decodePiece(batch));
        memory.giveBack(batch);
        return;
      }
      commands = decodeCommands(batch, this.#takeUpload);
      // One command's value may be all that is left of its batch; those of several must not wait for each other.
      if (commands.length > 1) memory.leave(batch);
    } catch (error) {
      stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, messageOf(error)));
      return;
    }
    const nowMs = Date.now();
    for (const command of commands) {
      const deadlineMs = nowMs + command.remainingMs;
      if (this.#held.length === 0 && this.#isOpen()) this.#run(command, deadlineMs, nowMs);
      else this.#hold(command, deadlineMs);
    }
    this.#work();
  }

  #hold(command: LinkCommand, deadlineMs: number): void {
    const bytes = commandBytes(command);
    this.#heldBytes += bytes;
    this.#held.push({ command, bytes, deadlineMs });
  }

  #onRoom(): void {
    this.#work();
    if (this.#draining && this.#isIdle()) this.#onDrained?.();
  }

  /** Runs what is held as far as the bounds allow, sends what that gave, and reads on or not. */
  #work(): void {
    do {
      while (this.#mayRun()) {
        const { command, bytes, deadlineMs } = this.#held.shift()!;
        this.#heldBytes -= bytes;
        this.#run(command, deadlineMs, Date.now());
      }
      for (const lane of this.#lanes) lane.flush();
      // The streams may have taken enough for more to run, and then tell nothing later.
    } while (this.#mayRun());
    this.#regulate();
  }

  #mayRun(): boolean {
    return this.#held.length > 0 && this.#isOpen();
  }

  #isOpen(): boolean {
    return !this.#closed && !this.#isFull();
  }

  #run(command: LinkCommand, deadlineMs: number, nowMs: number): void {
    this.#commands += 1;
    const reply = this.#execute(command, deadlineMs, nowMs);
    if (reply instanceof Promise) this.#await(command, reply);
    else this.#push(command.id, reply);
  }

  #await(command: LinkCommand, reply: Promise<Reply>): void {
    const bytes = commandBytes(command);
    this.#executing += 1;
    this.#executingBytes += bytes;
    const settle = (late: Reply): void => {
      this.#executing -= 1;
      this.#executingBytes -= bytes;
      this.#push(command.id, late);
      this.#scheduleFlush();
    };
    reply.then(settle, (error: unknown) => settle(replyErrorOf(error)));
  }

  #execute(command: LinkCommand, deadlineMs: number, nowMs: number): Reply | Promise<Reply> {
    if (this.#draining) return new ReplyError('SHUTDOWN', `shard ${this.#options.shard} is shutting down`);
    if (deadlineMs <= nowMs) return new ReplyError('TIMEOUT', 'the deadline passed before the command was begun');
    const { epoch, acknowledgement } = command;
    const context = this.#context;
    const same =
      context.deadlineMs === deadlineMs && context.epoch === epoch && context.acknowledgement === acknowledgement;
    // Commands of a batch mostly share all of it.
    if (!same) {
      this.#context = { session: this.#session, deadlineMs, epoch, acknowledgement, signal: this.#gone.signal };
    }
    try {
      return this.#options.executor.execute(command, this.#context);
    } catch (error) {
      return replyErrorOf(error);
    }
  }

  #push(id: number, reply: Reply): void {
    let best = this.#lanes[0];
    const bytes = replyBytes(reply);
    const kind: LaneKind = bytes > linkLargeValueBytes ? 'large' : 'small';
    for (const lane of this.#lanes) {
      if (lane.kind !== kind) continue;
      if (best?.kind !== kind || lane.queuedBytes < best.queuedBytes) best = lane;
    }
    best?.push(id, reply, bytes);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(this.#flush);
  }

  #onFlush(): void {
    this.#flushScheduled = false;
    this.#onRoom();
  }

  #isFull(): boolean {
    return this.#executing >= linkServerInFlightCommandsMax || this.#workBytes > this.#options.inFlightBytesMax;
  }

  /** Bytes of commands at work and of replies that wait. */
  get #workBytes(): number {
    let bytes = this.#executingBytes;
    for (let index = 0; index < this.#lanes.length; index++) bytes += this.#lanes[index]!.queuedBytes;
    return bytes;
  }

  #isSending(): boolean {
    return this.#lanes.some((lane) => lane.queued > 0);
  }

  #isIdle(): boolean {
    return this.inFlight === 0 && !this.#isSending();
  }

  #regulate(): void {
    const waits = this.#held.length > 0;
    if (waits === this.#paused) return;
    this.#paused = waits;
    for (const lane of this.#lanes) {
      if (waits) lane.stream.pause();
      else lane.stream.resume();
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held.clear();
    this.#staging.clear();
    this.#heldBytes = 0;
    this.#gone.abort();
    for (const lane of this.#lanes) lane.stream.end();
    this.onClosed();
    this.#onDrained?.();
  }
}
