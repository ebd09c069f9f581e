/**
 * One connection of a channel, made again when it breaks.
 *
 *   idle → connecting → ready → idle         by GOAWAY, or a break of a connection that worked
 *          connecting → backoff → idle       by a failure to connect
 *   any → closed
 *
 * A connection is opened by the first call that needs it. In `backoff` calls fail at once; the delay doubles with
 * every failure in a row and is drawn at random from its upper half, so that many clients do not return together.
 */
import type { ClientHttp2Session, ClientHttp2Stream, ClientSessionOptions, OutgoingHttpHeaders } from 'node:http2';
import { messageOf } from '../errors.ts';
import { grpcClientCallsMax, grpcFrameBytesMax } from '../limits.ts';
import { type ChannelTlsSource, channelTlsOf } from '../security/tls.ts';
import { connectFault } from '../security/tls-faults.ts';
import { dial, type Dialled } from './dial.ts';
import { grpcStatus, type StreamEnd, streamEnd } from './status.ts';

export type ConnectionState = 'idle' | 'connecting' | 'ready' | 'backoff' | 'closed';

export interface ConnectionOptions {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly connectTimeoutMs: number;
  readonly reconnectDelayMinMs: number;
  readonly reconnectDelayMaxMs: number;
  readonly keepaliveMs: number;
  readonly tls: ChannelTlsSource | undefined;
  readonly onState: (connection: ClientConnection) => void;
}

/** A stream and what became of the session that it runs on. */
export interface OpenedStream {
  readonly stream: ClientHttp2Stream;
  readonly lost: (report: (end: StreamEnd) => void) => boolean;
}

/** One HTTP/2 session; a connection has one after the other, and the old one may still finish its calls. */
interface Link {
  readonly session: ClientHttp2Session;
  connected: boolean;
  closed: boolean;
  fault: string | undefined;
  pingsUnanswered: number;
}

export class ClientConnection {
  readonly #target: string;
  readonly #options: ConnectionOptions;
  readonly #links = new Set<Link>();
  #state: ConnectionState = 'idle';
  #link: Link | undefined;
  #failures = 0;
  #lastFault = 'not connected';
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(target: string, options: ConnectionOptions) {
    this.#target = target;
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why the connection is in backoff, or was last lost. */
  get lastFault(): string {
    return this.#lastFault;
  }

  /** Begins to connect if idle. */
  connect(): void {
    if (this.#state !== 'idle') return;
    this.#setState('connecting');
    this.#link = this.#dial();
  }

  /** Opens a stream, now or as soon as connected; in `backoff` and `closed` the end that a call has at once. */
  open(headers: OutgoingHttpHeaders): OpenedStream | StreamEnd {
    // A session may know that it is over before it has said so.
    if (this.#link && (this.#link.session.closed || this.#link.session.destroyed)) this.#detach(this.#link);
    this.connect();
    const link = this.#link;
    if (!link) {
      const text = this.#state === 'closed' ? 'the channel is closed' : this.#lastFault;
      return streamEnd(grpcStatus.UNAVAILABLE, text, {}, true);
    }
    const stream = link.session.request(headers, { endStream: false });
    return { stream, lost: (report) => reportLoss(link, report) };
  }

  /** Ends the connection and, with it, its calls. */
  close(): void {
    this.#setState('closed');
    clearTimeout(this.#retryTimer);
    this.#link = undefined;
    for (const link of this.#links) {
      link.fault ??= 'the channel was closed';
      link.session.destroy();
    }
  }

  #dial(): Link | undefined {
    const { streamWindowBytes, connectionWindowBytes, connectTimeoutMs, keepaliveMs, tls: source } = this.#options;
    const sessionOptions: ClientSessionOptions = {
      settings: { initialWindowSize: streamWindowBytes, maxFrameSize: grpcFrameBytesMax, enablePush: false },
      // Until the server has said how many calls it takes at once.
      peerMaxConcurrentStreams: 100,
      // In megabytes; the bound of a client is its number of calls, not the memory of their messages.
      maxSessionMemory: 1_000_000,
    };
    const tls = source && channelTlsOf(source);
    let dialled: Dialled;
    try {
      dialled = dial(this.#target, sessionOptions, tls);
    } catch (error) {
      this.#retreat(`no TLS with ${this.#target}: ${messageOf(error)}`);
      return undefined;
    }
    const { session } = dialled;
    // Every call that waits for the connection, or for why it was lost, listens: as many as a channel has calls.
    session.setMaxListeners(grpcClientCallsMax);
    const link: Link = { session, connected: false, closed: false, fault: undefined, pingsUnanswered: 0 };
    this.#links.add(link);
    const connectTimer = setTimeout(() => {
      link.fault = `no connection to ${this.#target} within ${connectTimeoutMs} ms`;
      session.destroy();
    }, connectTimeoutMs);
    const keepalive = setInterval(() => this.#ping(link), keepaliveMs);
    keepalive.unref();
    session.once('remoteSettings', () => {
      clearTimeout(connectTimer);
      session.setLocalWindowSize(connectionWindowBytes);
      this.#onReady(link);
    });
    let error: unknown;
    session.on('error', (first: unknown) => {
      error ??= first;
      if (link.connected) link.fault ??= messageOf(first);
    });
    session.on('goaway', () => this.#detach(link));
    session.once('close', () => {
      clearTimeout(connectTimer);
      clearInterval(keepalive);
      this.#links.delete(link);
      link.closed = true;
      link.fault ??= link.connected
        ? `the connection to ${this.#target} was lost`
        : connectFault(error, {
            target: this.#target,
            isTls: tls !== undefined,
            isDialled: dialled.isDialled(),
            showsCertificate: tls?.cert !== undefined,
          });
      this.#detach(link);
    });
    return link;
  }

  #onReady(link: Link): void {
    link.connected = true;
    if (this.#link !== link) return;
    this.#failures = 0;
    this.#setState('ready');
  }

  /** The link takes no more calls; those that it has may finish. */
  #detach(link: Link): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    const fault = link.fault ?? 'the server is going away';
    if (!link.connected) {
      this.#retreat(fault);
      return;
    }
    this.#lastFault = fault;
    this.#setState('idle');
  }

  /** Lets some time pass before the next attempt. */
  #retreat(fault: string): void {
    this.#lastFault = fault;
    this.#setState('backoff');
    this.#retryTimer = setTimeout(() => this.#setState('idle'), this.#retryDelayMs());
    this.#retryTimer.unref();
  }

  #retryDelayMs(): number {
    const { reconnectDelayMinMs, reconnectDelayMaxMs } = this.#options;
    const delayMs = Math.min(reconnectDelayMaxMs, reconnectDelayMinMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    return delayMs * (0.5 + Math.random() / 2);
  }

  #ping(link: Link): void {
    if (link.session.destroyed || link.session.closed || !link.connected) return;
    if (link.pingsUnanswered > 1) {
      link.fault = `${this.#target} gave no sign of life`;
      link.session.destroy();
      return;
    }
    link.pingsUnanswered++;
    link.session.ping((error) => {
      if (!error) link.pingsUnanswered = 0;
    });
  }

  #setState(state: ConnectionState): void {
    if (this.#state === 'closed' || this.#state === state) return;
    this.#state = state;
    this.#options.onState(this);
  }
}

/** True if the link broke; its calls hear how once it is known. */
function reportLoss(link: Link, report: (end: StreamEnd) => void): boolean {
  if (!link.session.destroyed) return false;
  // A call of a link that never was connected cannot have been processed.
  const tell = (): void => report(streamEnd(grpcStatus.UNAVAILABLE, link.fault ?? 'lost', {}, !link.connected));
  if (link.closed) tell();
  else link.session.once('close', tell);
  return true;
}
