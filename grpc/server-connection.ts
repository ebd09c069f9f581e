/** One client's connection: who it is, its open calls, its age, and whether it still lives. */
import type { ServerHttp2Session } from 'node:http2';
import type { ShownCertificate } from '../security/tls.ts';
import type { ServerCall } from './server-call.ts';
import { GrpcError, grpcStatus } from './status.ts';

const ageJitter = 0.1;

interface Progress {
  readonly bytes: number;
  readonly sinceMs: number;
}

export class ServerConnection {
  readonly peer: string;
  readonly shown: ShownCertificate;
  readonly calls = new Set<ServerCall>();
  readonly #session: ServerHttp2Session;
  readonly #stuck = new WeakMap<ServerCall, Progress>();
  #ageTimer: NodeJS.Timeout | undefined;
  #pingsUnanswered = 0;

  constructor(session: ServerHttp2Session, maxAgeMs: number | undefined, shown: ShownCertificate) {
    this.#session = session;
    this.shown = shown;
    const { remoteAddress, remotePort } = session.socket;
    this.peer = remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
    if (maxAgeMs === undefined) return;
    const jitter = 1 + ageJitter * (2 * Math.random() - 1);
    this.#ageTimer = setTimeout(() => void this.drain(), maxAgeMs * jitter);
    this.#ageTimer.unref();
  }

  /** Resolves when the connection is gone: after its calls, if nobody destroys it before. */
  drain(): Promise<void> {
    const session = this.#session;
    if (session.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      session.once('close', () => resolve());
      if (session.closed) return;
      // GOAWAY with the last call that we have seen: clients send later ones again, elsewhere. Announcing it first
      // with the highest stream id, as some servers do, is not for Node's: it reads no new stream after any GOAWAY,
      // and calls that were on their way would never be answered.
      session.close();
    });
  }

  /** Calls that outlast the grace of a server that ends learn so, instead of a broken connection. */
  failCalls(): void {
    for (const call of this.calls) call.fail(new GrpcError(grpcStatus.UNAVAILABLE, 'the server is shutting down'));
  }

  destroy(): void {
    this.#session.destroy();
  }

  forget(): void {
    clearTimeout(this.#ageTimer);
  }

  /** Called every keepalive interval: drops a peer that is gone, cancels calls that are stuck. */
  inspect(stallMaxMs: number): void {
    if (this.calls.size === 0 || this.#session.destroyed || this.#session.closed) return;
    if (this.#pingsUnanswered > 1) {
      this.#session.destroy();
      return;
    }
    this.#pingsUnanswered++;
    this.#session.ping((error) => {
      if (!error) this.#pingsUnanswered = 0;
    });
    for (const call of this.calls) this.#inspectCall(call, stallMaxMs);
  }

  #inspectCall(call: ServerCall, stallMaxMs: number): void {
    const known = this.#stuck.get(call);
    if (!call.busy) {
      this.#stuck.delete(call);
    } else if (known?.bytes !== call.progress) {
      this.#stuck.set(call, { bytes: call.progress, sinceMs: Date.now() });
    } else if (Date.now() - known.sinceMs >= stallMaxMs) {
      call.cancel();
    }
  }
}
