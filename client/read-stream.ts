/**
 * StreamingRead with a bounded window: blocks come in the order of their locations, and no more of them are asked for
 * than the caller has room for, so that a slow caller holds at most a window of blocks in memory.
 *
 *   locations ─► asked (≤ window, in order) ─► stream ─► answers in the same order ─► caller
 *
 * A stream that breaks with a passing fault is opened again and what was asked and not answered is asked again:
 * reading twice changes nothing. Every answer renews the patience for faults.
 */
import { KvcacheError } from '../errors.ts';
import type { GrpcChannel } from '../grpc/client.ts';
import type { GrpcDuplex } from '../grpc/duplex.ts';
import { GrpcError, type GrpcMetadata, grpcStatus } from '../grpc/status.ts';
import type { ReadRequest } from '../protos/generated/kvstore.ts';
import { callErrorOf, mayRepeatRead } from './call-error.ts';
import type { Channels } from './channels.ts';
import { type IncomingRead, streamingReadMethod } from './prompt-codec.ts';
import { pause, type RetryPolicy, retryDelayMs } from './retry.ts';

export interface ReadInOrderOptions {
  readonly windowBlocks: number;
  readonly policy: RetryPolicy;
  readonly requestOf: (location: string) => ReadRequest;
  /** When the block asked for now must have come. */
  readonly deadlineMs: () => number;
  readonly metadata: GrpcMetadata;
  readonly signal: AbortSignal | undefined;
}

export interface OrderedRead {
  readonly location: string;
  readonly read: IncomingRead;
}

export async function* readInOrder(
  channels: Channels,
  locations: Iterable<string>,
  options: ReadInOrderOptions,
): AsyncGenerator<OrderedRead, void, undefined> {
  const source = locations[Symbol.iterator]();
  const asked: string[] = [];
  let attempts = 0;
  while (askMore(source, asked, options) > 0) {
    const channel = channels.choose();
    try {
      for await (const item of oneStream(channel, source, asked, options)) {
        attempts = 0;
        yield item;
      }
    } catch (cause) {
      const error = callErrorOf(cause, channel.target);
      attempts++;
      if (attempts >= options.policy.attemptsMax || !mayRepeatRead(error)) throw error;
      await pause(retryDelayMs(options.policy, attempts, Math.random()), options.signal);
    }
  }
}

/** Reads until the locations end or the stream breaks; `asked` then holds what is not answered. */
async function* oneStream(
  channel: GrpcChannel,
  source: Iterator<string>,
  asked: string[],
  options: ReadInOrderOptions,
): AsyncGenerator<OrderedRead, void, undefined> {
  const { metadata, signal, requestOf } = options;
  const stream = channel.bidi(streamingReadMethod, { metadata, signal });
  const watch = new AnswerWatch(stream, options);
  const ask = (from: number): void => {
    for (const location of asked.slice(from)) stream.write(requestOf(location));
    // A window that is not full means that there are no more locations.
    if (asked.length < options.windowBlocks) stream.end();
  };
  try {
    ask(0);
    for await (const read of stream) {
      watch.stop();
      const location = asked.shift();
      if (location === undefined) throw new KvcacheError('ERR', 'the server sent more blocks than it was asked for');
      yield { location, read };
      const before = asked.length;
      askMore(source, asked, options);
      ask(before);
      watch.start();
    }
    if (asked.length > 0) throw new GrpcError(grpcStatus.UNAVAILABLE, 'the stream ended before its last block');
  } finally {
    watch.stop();
  }
}

/** Fills the window; answers how many are asked for and not answered. */
function askMore(source: Iterator<string>, asked: string[], { windowBlocks }: ReadInOrderOptions): number {
  while (asked.length < windowBlocks) {
    const next = source.next();
    if (next.done) break;
    asked.push(next.value);
  }
  return asked.length;
}

/** Ends a stream whose next block does not come in time; does not run while the caller is busy with the last one. */
class AnswerWatch {
  readonly #stream: GrpcDuplex<ReadRequest, IncomingRead>;
  readonly #options: ReadInOrderOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: GrpcDuplex<ReadRequest, IncomingRead>, options: ReadInOrderOptions) {
    this.#stream = stream;
    this.#options = options;
    this.start();
  }

  start(): void {
    const leftMs = Math.max(0, this.#options.deadlineMs() - Date.now());
    this.#timer = setTimeout(() => {
      this.#stream.fail(new GrpcError(grpcStatus.DEADLINE_EXCEEDED, 'the next block did not come in time'));
    }, leftMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
