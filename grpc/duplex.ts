/**
 * A stream of messages in both directions, the same on server and client.
 *
 * Incoming messages go to `onMessage` as they come, or to `for await`; until one of them is chosen they wait, and
 * beyond `grpcUnreadMessagesMax` the sender is held back by flow control. Outgoing messages are never refused:
 * `write` answers false when enough is buffered, and `drained()` or `onDrain` says when to go on.
 */
import { grpcUnreadMessagesMax } from '../limits.ts';
import type { CallListener, CallTransport } from './call-transport.ts';
import type { MessageParts } from './method.ts';
import { errorOfEnd, GrpcError, grpcStatus, type StreamEnd } from './status.ts';

export interface DuplexCodec<Out, In> {
  readonly serialize: (message: Out) => MessageParts;
  readonly deserialize: (bytes: Buffer) => In;
}

export class GrpcDuplex<Out, In> implements AsyncIterable<In> {
  /** What the stream under it reports to. */
  readonly listener: CallListener = {
    message: (bytes, reservedBytes) => this.#take(bytes, reservedBytes),
    remoteEnd: () => this.#endRemote(),
    drain: () => this.#drain(),
    ended: (end) => this.#settle(end),
  };
  /** How the stream ended. Never rejects. */
  readonly closed: Promise<StreamEnd>;
  readonly #transport: CallTransport;
  readonly #codec: DuplexCodec<Out, In>;
  readonly #side: 'client' | 'server';
  readonly #unread: In[] = [];
  #settleClosed: (end: StreamEnd) => void = () => undefined;
  #onMessage: ((message: In) => void) | undefined;
  #onRemoteEnd: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  #end: StreamEnd | undefined;
  #remoteEnded = false;
  #paused = false;
  #full = false;
  #wake: (() => void) | undefined;
  #waitingForDrain: (() => void)[] = [];

  constructor(side: 'client' | 'server', transport: CallTransport, codec: DuplexCodec<Out, In>) {
    this.#side = side;
    this.#transport = transport;
    this.#codec = codec;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** Called with every message; those that waited come at once. It must not throw. */
  set onMessage(callback: (message: In) => void) {
    this.#onMessage = callback;
    for (const message of this.#unread.splice(0)) callback(message);
    this.#letSend();
  }

  /** Called once when the other side has sent its last message. */
  set onRemoteEnd(callback: () => void) {
    this.#onRemoteEnd = callback;
    if (this.#remoteEnded) callback();
  }

  /** Called when there is room again after `write` answered false. */
  set onDrain(callback: () => void) {
    this.#onDrain = callback;
  }

  /** True until the stream has ended. */
  get open(): boolean {
    return this.#end === undefined;
  }

  /** Sends a message. False: enough is buffered. A message for a stream that has ended goes nowhere. */
  write(message: Out): boolean {
    if (this.#end) return true;
    const room = this.#transport.write(this.#codec.serialize(message));
    if (!room) this.#full = true;
    return room;
  }

  /** Resolves when there is room to write, or nothing to write to any more. */
  drained(): Promise<void> {
    if (!this.#full || this.#end) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waitingForDrain.push(resolve);
    });
  }

  /** Client: no more messages from here. Server: ends the stream with OK. */
  end(): void {
    this.#transport.finish();
  }

  /** Ends the stream with an error: as its status on the server, by cancelling on the client. */
  fail(error: GrpcError): void {
    this.#transport.fail(error);
  }

  cancel(details = 'cancelled by this side'): void {
    this.#transport.fail(new GrpcError(grpcStatus.CANCELLED, details));
  }

  /** Holds the sender back; messages of the chunk in hand still come. */
  pause(): void {
    this.#paused = true;
    this.#transport.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#letSend();
  }

  /** Ends when the other side ends; throws GrpcError if the stream ends with another status than OK. */
  async *[Symbol.asyncIterator](): AsyncIterator<In> {
    try {
      while (true) {
        while (this.#unread.length > 0) {
          const message = this.#unread.shift()!;
          this.#letSend();
          yield message;
        }
        if (this.#end && this.#end.code !== grpcStatus.OK) throw errorOfEnd(this.#end);
        if (this.#end) return;
        // On the client the status still follows; on the server the end of messages is all that comes.
        if (this.#remoteEnded && this.#side === 'server') return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      if (this.open && !this.#remoteEnded) this.cancel('the reader stopped');
    }
  }

  #take(bytes: Buffer, reservedBytes: number): void {
    let message: In;
    try {
      message = this.#codec.deserialize(bytes);
    } catch {
      this.#transport.release(reservedBytes);
      this.#transport.fail(new GrpcError(grpcStatus.INTERNAL, 'Error deserializing message'));
      return;
    }
    this.#transport.release(reservedBytes);
    if (this.#onMessage) {
      this.#onMessage(message);
      return;
    }
    this.#unread.push(message);
    if (this.#unread.length >= grpcUnreadMessagesMax) this.#transport.pause();
    this.#wakeReader();
  }

  #endRemote(): void {
    this.#remoteEnded = true;
    this.#onRemoteEnd?.();
    this.#wakeReader();
  }

  #drain(): void {
    this.#full = false;
    for (const resolve of this.#waitingForDrain.splice(0)) resolve();
    this.#onDrain?.();
  }

  #settle(end: StreamEnd): void {
    if (this.#end) return;
    this.#end = end;
    for (const resolve of this.#waitingForDrain.splice(0)) resolve();
    this.#settleClosed(end);
    this.#wakeReader();
  }

  #letSend(): void {
    if (!this.#paused && this.#unread.length < grpcUnreadMessagesMax) this.#transport.resume();
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
