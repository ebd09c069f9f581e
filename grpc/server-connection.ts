/** One client's connection: who it is, its open calls, its age, and whether it still lives. */
import type { Socket } from 'node:net';
import { grpcStallBytesMin } from '../limits.ts';
import type { Http2Connection } from '../http2/connection.ts';
import type { ShownCertificate } from '../security/tls.ts';
import type { ServerCall } from './server-call.ts';
import { GrpcError, grpcStatus } from './status.ts';

const ageJitter = 0.1;
/** Ages differ by so many steps: Node keeps a list for every duration that a timer ever had, until it is over. */
const ageSteps = 64;

interface Progress {
  readonly completed: number;
  readonly bytes: number;
  readonly sinceMs: number;
}

export class ServerConnection {
  readonly peer: string;
  readonly shown: ShownCertificate;
  readonly calls = new Set<ServerCall>();
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #connection: Http2Connection;
  readonly #stuck = new WeakMap<ServerCall, Progress>();
  #settleClosed: () => void = () => undefined;
  #ageTimer: NodeJS.Timeout | undefined;
  #pingsUnanswered = 0;

  constructor(connection: Http2Connection, socket: Socket, maxAgeMs: number | undefined, shown: ShownCertificate) {
    this.#connection = connection;
    this.shown = shown;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    const { remoteAddress, remotePort } = socket;
    this.peer = remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
    if (maxAgeMs === undefined) return;
    const jitter = 1 + ageJitter * ((2 * Math.trunc(ageSteps * Math.random())) / ageSteps - 1);
    this.#ageTimer = setTimeout(() => this.drain(), maxAgeMs * jitter);
    this.#ageTimer.unref();
  }

  /** Takes no new calls, and ends after those that there are, if nobody destroys it before. */
  drain(): void {
    this.#connection.drain();
  }

  /** Calls that outlast the grace of a server that ends learn so, instead of a broken connection. */
  failCalls(): void {
    for (const call of this.calls) call.fail(new GrpcError(grpcStatus.UNAVAILABLE, 'the server is shutting down'));
  }

  destroy(): void {
    this.#connection.destroy();
  }

  /** The connection is gone. */
  forget(): void {
    clearTimeout(this.#ageTimer);
    this.#settleClosed();
  }

  /** Called every keepalive interval: drops a peer that is gone or never spoke, cancels calls that are stuck. */
  inspect(stallMaxMs: number): void {
    const connection = this.#connection;
    const isIdle = this.calls.size === 0 && connection.unsentBytes === 0 && !connection.isReceiving;
    if (isIdle && connection.isReady && !connection.isDraining) return;
    if (this.#pingsUnanswered > 1) {
      connection.destroy();
      return;
    }
    this.#pingsUnanswered++;
    connection.ping(() => {
      this.#pingsUnanswered = 0;
    });
    for (const call of this.calls) this.#inspectCall(call, stallMaxMs);
  }

  #inspectCall(call: ServerCall, stallMaxMs: number): void {
    const known = this.#stuck.get(call);
    const { completed, progress } = call;
    if (!call.busy) {
      this.#stuck.delete(call);
    } else if (known?.completed !== completed || progress - known.bytes >= grpcStallBytesMin) {
      this.#stuck.set(call, { completed, bytes: progress, sinceMs: Date.now() });
    } else if (Date.now() - known.sinceMs >= stallMaxMs) {
      call.cancel();
    }
  }
}
