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
import { messageOf } from '../errors.ts';
import { Http2Connection } from '../http2/connection.ts';
import type { OutgoingFields } from '../http2/header-fields.ts';
import type { Http2Stream } from '../http2/stream.ts';
import { type ChannelTls, type ChannelTlsSource, channelTlsOf } from '../security/tls.ts';
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

/** A stream, and how its call ends if the connection under it breaks. */
export interface OpenedStream {
  readonly stream: Http2Stream;
  readonly endOfConnection: () => StreamEnd;
}

/** One HTTP/2 connection; a connection of a channel has one after the other, and the old one may still finish its calls. */
interface Link {
  readonly http2: Http2Connection;
  connected: boolean;
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
  open(headers: OutgoingFields): OpenedStream | StreamEnd {
    // A connection may know that it is over before it has said so.
    if (this.#link?.http2.isUsable === false) this.#detach(this.#link);
    this.connect();
    const link = this.#link;
    if (!link) {
      const text = this.#state === 'closed' ? 'the channel is closed' : this.#lastFault;
      return streamEnd(grpcStatus.UNAVAILABLE, text, {}, true);
    }
    return { stream: link.http2.request(headers), endOfConnection: () => endOfLink(link) };
  }

  /** Ends the connection and, with it, its calls. */
  close(): void {
    this.#setState('closed');
    clearTimeout(this.#retryTimer);
    this.#link = undefined;
    for (const link of this.#links) {
      link.fault ??= 'the channel was closed';
      link.http2.destroy();
    }
  }

  #dial(): Link | undefined {
    const { streamWindowBytes, connectionWindowBytes, connectTimeoutMs, keepaliveMs, tls: source } = this.#options;
    const tls = source && channelTlsOf(source);
    let dialled: Dialled;
    try {
      dialled = dial(this.#target, tls, () => link.http2.open());
    } catch (error) {
      this.#retreat(`no TLS with ${this.#target}: ${messageOf(error)}`);
      return undefined;
    }
    const connectTimer = setTimeout(() => {
      link.fault = `no connection to ${this.#target} within ${connectTimeoutMs} ms`;
      link.http2.destroy();
    }, connectTimeoutMs);
    const keepalive = setInterval(() => this.#ping(link), keepaliveMs);
    keepalive.unref();
    const http2 = new Http2Connection(
      dialled.socket,
      { role: 'client', streamWindowBytes, connectionWindowBytes },
      {
        ready: () => {
          clearTimeout(connectTimer);
          this.#onReady(link);
        },
        goAway: () => this.#detach(link),
        closed: (error) => {
          clearTimeout(connectTimer);
          clearInterval(keepalive);
          this.#links.delete(link);
          link.fault ??= this.#faultOf(link, error, dialled, tls);
          this.#detach(link);
        },
      },
    );
    dialled.reads.reader = http2;
    const link: Link = { http2, connected: false, fault: undefined, pingsUnanswered: 0 };
    this.#links.add(link);
    return link;
  }

  /** Why a connection ended, for people. */
  #faultOf(link: Link, error: unknown, dialled: Dialled, tls: ChannelTls | undefined): string {
    if (link.connected) return error === undefined ? `the connection to ${this.#target} was lost` : messageOf(error);
    return connectFault(error, {
      target: this.#target,
      isTls: tls !== undefined,
      isDialled: dialled.isDialled(),
      showsCertificate: tls?.cert !== undefined,
    });
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
    if (!link.connected) return;
    if (link.pingsUnanswered > 1) {
      link.fault = `${this.#target} gave no sign of life`;
      link.http2.destroy();
      return;
    }
    link.pingsUnanswered++;
    link.http2.ping(() => {
      link.pingsUnanswered = 0;
    });
  }

  #setState(state: ConnectionState): void {
    if (this.#state === 'closed' || this.#state === state) return;
    this.#state = state;
    this.#options.onState(this);
  }
}

/** A call of a link that never was connected cannot have been processed. */
function endOfLink(link: Link): StreamEnd {
  return streamEnd(grpcStatus.UNAVAILABLE, link.fault ?? 'lost', {}, !link.connected);
}
