/** What both clients take: where the server is, how long to wait, how often to try. */
import type { Acknowledgement } from '../commands/command.ts';
import { KvcacheError } from '../errors.ts';
import { commandDeadlineDefaultMs, commandDeadlineMaxMs } from '../limits.ts';
import { defaultRetryPolicy, type RetryPolicy } from './retry.ts';

export interface ClientOptions {
  /**
   * host:port of a router or shard, or http://host:port, or https://host:port, which means TLS; or several routers of one
   * cluster, as a list or with commas between them, which take the calls in turn (channels.ts). Default:
   * KVSTORE_GRPC_SERVER, else localhost:50051.
   */
  readonly server?: string | readonly string[] | undefined;
  /** Speak TLS, with the authorities that the system trusts (`true`) or with what these files say. */
  readonly tls?: boolean | ClientTls | undefined;
  /** What the server asks for, if anything. */
  readonly credentials?: ClientCredentials | undefined;
  /** How long a call may take, all attempts included. Default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** When writes are answered. Default: as the shards are set. */
  readonly acknowledgement?: Acknowledgement | undefined;
  /**
   * How often a call is tried again where that is safe: by default for about 5 s, within its timeout.
   * `{ attemptsMax: 1 }` turns it off.
   */
  readonly retry?: Partial<RetryPolicy> | undefined;
}

/** Paths of PEM files, which are followed: a new connection takes what they say by then. */
export interface ClientTls {
  /** The authorities that the server's certificate must be signed by. Default: those that the system trusts. */
  readonly caFile?: string | undefined;
  /** For servers that ask for a client certificate. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The name that the server's certificate must have, in place of the host in `server`. */
  readonly serverName?: string | undefined;
}

/** One of the four. Of a file, which is followed, the first line counts. */
export type ClientCredentials =
  | { readonly token: string }
  | { readonly tokenFile: string }
  | { readonly password: string }
  | { readonly passwordFile: string };

/** What one call may choose. */
export interface CallOptions {
  readonly timeoutMs?: number | undefined;
  /** Cancels the call: it rejects with CANCELLED, and a write may or may not have been done. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly acknowledgement?: Acknowledgement | undefined;
}

export function retryPolicyOf(options: ClientOptions): RetryPolicy {
  return { ...defaultRetryPolicy, ...options.retry };
}

/** When a call that begins now must have ended. */
export function deadlineMsOf(options: ClientOptions, call: CallOptions | undefined): number {
  const timeoutMs = call?.timeoutMs ?? options.timeoutMs ?? commandDeadlineDefaultMs;
  if (!(timeoutMs > 0 && timeoutMs <= commandDeadlineMaxMs)) {
    throw new KvcacheError('ERR', `timeoutMs is ${timeoutMs}: it must be above 0 and at most ${commandDeadlineMaxMs}`);
  }
  return Date.now() + timeoutMs;
}
