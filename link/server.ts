/**
 * The shard's end of the links: takes the streams of routers, puts those that belong together into one session, and
 * lets each session run its commands on the executor.
 *
 * Served on the shard's internal listener, which asks for a secret where one is set. The listener needs room for the
 * largest frame: make it with `linkServerOptions`.
 */
import type { Executor } from '../commands/command.ts';
import type { GrpcDuplex } from '../grpc/duplex.ts';
import type { ServerMethod } from '../grpc/method.ts';
import type { GrpcServer, GrpcServerOptions } from '../grpc/server.ts';
import type { ServerCall } from '../grpc/server-call.ts';
import { GrpcError, grpcStatus } from '../grpc/status.ts';
import { linkFrameBytesMax, linkHeartbeatMs, linkServerInFlightBytesMax, linkSessionsMax } from '../limits.ts';
import { collectedMemory, type ReceiveMemory } from '../receive-memory.ts';
import { decodeFrame, encodeFrame, exchangePath } from './frame.ts';
import { laneHeader, secretHeader, sessionHeader } from './lane.ts';
import { LinkSession } from './session.ts';

/** Batches in parts down, whole batches up. */
export type ServerLinkStream = GrpcDuplex<readonly Buffer[], Buffer>;

export interface LinkServerOptions {
  /** The shard's name: a router that meant another shard hangs up. */
  readonly shard: string;
  readonly executor: Executor;
  /** The topology epoch that this shard runs. */
  readonly epoch: () => number;
  /** What the other end must show, if anything. */
  readonly secrets?: { accepts(shown: string): boolean } | undefined;
  /** Told of every stream that did not show it. */
  readonly onRefused?: ((reason: 'missing' | 'wrong') => void) | undefined;
  /** For large values; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
  readonly inFlightBytesMax?: number;
  readonly heartbeatMs?: number;
}

export interface LinkServerStatistics {
  readonly sessions: number;
  /** Commands at work or held back, and the bytes of them and of replies not yet sent. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Since the start. */
  readonly commands: number;
}

/** What the internal listener needs of its server. */
export const linkServerOptions: GrpcServerOptions = {
  messageBytesMax: linkFrameBytesMax,
  inFlightBytesMax: 2 * linkFrameBytesMax,
};

const exchange: ServerMethod<Buffer, readonly Buffer[]> = {
  path: exchangePath,
  requestDeserialize: decodeFrame,
  responseSerialize: encodeFrame,
};

export class LinkServer {
  readonly #options: LinkServerOptions;
  readonly #memory: ReceiveMemory;
  readonly #sessions = new Map<string, LinkSession>();
  readonly #heartbeat: NodeJS.Timeout;
  #closing = false;
  #commandsBefore = 0;

  constructor(options: LinkServerOptions) {
    this.#options = options;
    this.#memory = options.memory ?? collectedMemory;
    this.#heartbeat = setInterval(() => this.greet(), options.heartbeatMs ?? linkHeartbeatMs);
    this.#heartbeat.unref();
  }

  /** Serves the link on this server. */
  register(server: GrpcServer): void {
    server.addBidi(exchange, (stream, call) => this.#onStream(stream, call));
  }

  stats(): LinkServerStatistics {
    const sessions = [...this.#sessions.values()];
    return {
      sessions: sessions.length,
      inFlight: sessions.reduce((sum, session) => sum + session.inFlight, 0),
      inFlightBytes: sessions.reduce((sum, session) => sum + session.inFlightBytes, 0),
      commands: sessions.reduce((sum, session) => sum + session.commands, this.#commandsBefore),
    };
  }

  /** Answers commands that still come with SHUTDOWN, waits for those at work and their replies, then ends the links. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#heartbeat);
    await Promise.all([...this.#sessions.values()].map((session) => session.drain(graceMs)));
  }

  /** Says hello on every link now: the epoch has changed. */
  greet(): void {
    for (const session of this.#sessions.values()) session.greet();
  }

  #onStream(stream: ServerLinkStream, call: ServerCall): void {
    const id = call.headers[sessionHeader];
    if (!this.#isTrusted(call)) throw new GrpcError(grpcStatus.UNAUTHENTICATED, 'the link asks for its secret');
    if (typeof id !== 'string' || id === '') {
      throw new GrpcError(grpcStatus.INVALID_ARGUMENT, `${sessionHeader} is missing`);
    }
    if (this.#closing) throw new GrpcError(grpcStatus.UNAVAILABLE, 'the shard is shutting down');
    const kind = call.headers[laneHeader] === 'large' ? 'large' : 'small';
    if (kind === 'large') call.receiveIn(this.#memory);
    this.#sessionOf(id, call.peer).attach(kind, stream);
  }

  #sessionOf(id: string, peer: string): LinkSession {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    if (this.#sessions.size >= linkSessionsMax) {
      throw new GrpcError(grpcStatus.RESOURCE_EXHAUSTED, `more than ${linkSessionsMax} links at once`);
    }
    const { shard, epoch, executor, inFlightBytesMax = linkServerInFlightBytesMax } = this.#options;
    const session = new LinkSession({ shard, epoch, executor, inFlightBytesMax, peer, memory: this.#memory });
    this.#sessions.set(id, session);
    session.onClosed = () => {
      this.#sessions.delete(id);
      this.#commandsBefore += session.commands;
    };
    return session;
  }

  #isTrusted(call: ServerCall): boolean {
    const { secrets, onRefused } = this.#options;
    const shown = call.headers[secretHeader];
    if (secrets === undefined || secrets.accepts(shown ?? '')) return true;
    onRefused?.(shown === undefined ? 'missing' : 'wrong');
    return false;
  }
}
