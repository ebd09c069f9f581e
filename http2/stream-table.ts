/**
 * The streams of a connection by their numbers: those of a client's own, in the order in which it opens them and no more
 * at once than its server takes; those that a client has opened, as they come.
 */
import { http2StreamsBeforeSettings } from '../limits.ts';
import { errorCode, Http2Fault, streamIdMax } from './protocol.ts';
import type { Http2Stream } from './stream.ts';

export class StreamTable {
  readonly #isServer: boolean;
  readonly #streams = new Map<number, Http2Stream>();
  /** A client's, for which its server has no room yet. */
  readonly #waiting = new Set<Http2Stream>();
  /** The newest that has begun, and the newest of a client's that was taken up. */
  #last: number;
  #lastTaken = 0;
  #max = http2StreamsBeforeSettings;

  /** @param firstStreamId of a client's own */
  constructor(isServer: boolean, firstStreamId = 1) {
    this.#isServer = isServer;
    this.#last = isServer ? 0 : firstStreamId - 2;
  }

  /** What GOAWAY says: the newest stream of the peer's that may have been acted on. Streams that are refused leave it. */
  get lastTaken(): number {
    return this.#lastTaken;
  }

  get size(): number {
    return this.#streams.size;
  }

  get isEmpty(): boolean {
    return this.#streams.size === 0 && this.#waiting.size === 0;
  }

  /** True when a client's numbers are used up. */
  get isExhausted(): boolean {
    return this.#last + 2 > streamIdMax;
  }

  [Symbol.iterator](): IterableIterator<Http2Stream> {
    return this.#streams.values();
  }

  get(id: number): Http2Stream | undefined {
    return this.#streams.get(id);
  }

  /** Undefined for one that is gone. Throws Http2Fault for one that never was. */
  known(id: number, what: string): Http2Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined && (id % 2 === 0 || id > this.#last)) {
      throw new Http2Fault(errorCode.protocolError, `${what} of stream ${id}, which has not begun`);
    }
    return stream;
  }

  /** True for a stream that a client begins now. */
  isNew(id: number): boolean {
    return this.#isServer && id > this.#last;
  }

  /** A client has begun a stream, be it taken up or not. Throws Http2Fault. */
  begun(id: number): void {
    if (id % 2 === 0) throw new Http2Fault(errorCode.protocolError, `a client's stream has the number ${id}`);
    this.#last = id;
  }

  /** A client's stream is taken up. */
  take(id: number, stream: Http2Stream): void {
    this.#lastTaken = id;
    this.#add(id, stream);
  }

  /** A client's own stream begins, now or when there is room. */
  open(stream: Http2Stream): void {
    if (this.#waiting.size === 0 && this.#hasRoom()) this.#begin(stream);
    else this.#waiting.add(stream);
  }

  /** How many streams a server takes at once. */
  allow(streamsMax: number): void {
    this.#max = streamsMax;
  }

  remove(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
  }

  /** Begins what waited, as far as there is room; `windowBytes` is what each may send at first. */
  beginWaiting(windowBytes: number): void {
    if (this.#waiting.size === 0) return;
    for (const stream of this.#waiting) {
      if (!this.#hasRoom()) return;
      this.#waiting.delete(stream);
      stream.sendWindow = windowBytes;
      this.#begin(stream);
      stream.opened();
    }
  }

  /** The server takes none beyond `last`: those are closed as never begun. */
  refuseBeyond(last: number): void {
    for (const stream of this.#takeWaiting()) stream.close(errorCode.refusedStream, false);
    for (const [id, stream] of this.#streams) if (id > last) stream.close(errorCode.refusedStream, false);
  }

  /** The connection is gone. */
  lose(): void {
    for (const stream of this.#streams.values()) stream.close(errorCode.cancel, true);
    for (const stream of this.#takeWaiting()) stream.close(errorCode.cancel, true);
  }

  /** All at once: none of them may take the room that another one leaves. */
  #takeWaiting(): readonly Http2Stream[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  #hasRoom(): boolean {
    return !this.#isServer && this.#streams.size < this.#max && !this.isExhausted;
  }

  #begin(stream: Http2Stream): void {
    this.#last += 2;
    this.#add(this.#last, stream);
  }

  #add(id: number, stream: Http2Stream): void {
    stream.id = id;
    this.#streams.set(id, stream);
  }
}
