/** What both clients take: where the server is, how long to wait, how often to try. */
import type { Acknowledgement } from '../commands/command.ts';
import { KvcacheError } from '../errors.ts';
import { commandDeadlineDefaultMs, commandDeadlineMaxMs } from '../limits.ts';
import { defaultRetryPolicy, type RetryPolicy } from './retry.ts';

export interface ClientOptions {
  /** host:port of a router or shard. Default: KVSTORE_GRPC_SERVER, else localhost:50051. */
  readonly server?: string | undefined;
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

/** What one call may choose. */
export interface CallOptions {
  readonly timeoutMs?: number | undefined;
  /** Cancels the call: it rejects with CANCELLED, and a write may or may not have been done. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly acknowledgement?: Acknowledgement | undefined;
}

const defaultServer = 'localhost:50051';

export function serverOf(options: ClientOptions): string {
  const server = options.server ?? process.env['KVSTORE_GRPC_SERVER'] ?? '';
  return server === '' ? defaultServer : server;
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
