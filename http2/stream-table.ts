/**
 * The streams of a connection by their numbers: those of a client's own, in the order in which it opens them and no more
 * at once than its server takes; those that a client has opened, as they come.
 */
import { Fifo } from '../fifo.ts';
import { http2StreamsBeforeSettings } from '../limits.ts';
import { errorCode, Http2Fault, streamIdMax } from './protocol.ts';
import type { Http2Stream } from './stream.ts';

export class StreamTable {
  readonly #isServer: boolean;
  readonly #streams = new Map<number, Http2Stream>();
  /** A client's, for which its server has no room yet. */
  readonly #waiting = new Fifo<Http2Stream>();
  /** The newest that has begun. */
  #last: number;
  #max = http2StreamsBeforeSettings;

  constructor(isServer: boolean) {
    this.#isServer = isServer;
    this.#last = isServer ? 0 : -1;
  }

  /** The newest stream that has begun. */
  get last(): number {
    return Math.max(0, this.#last);
  }

  get size(): number {
    return this.#streams.size;
  }

  get isEmpty(): boolean {
    return this.#streams.size === 0 && this.#waiting.length === 0;
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

  /** A client has begun a stream, be it taken up or not. Throws Http2Fault. */
  begun(id: number): void {
    if (id % 2 === 0) throw new Http2Fault(errorCode.protocolError, `a client's stream has the number ${id}`);
    this.#last = id;
  }

  add(id: number, stream: Http2Stream): void {
    stream.id = id;
    this.#streams.set(id, stream);
  }

  /** A client's own stream begins, now or when there is room. */
  open(stream: Http2Stream): void {
    if (this.#waiting.length === 0 && this.#hasRoom()) this.#begin(stream);
    else this.#waiting.push(stream);
  }

  /** How many streams a server takes at once. */
  allow(streamsMax: number): void {
    this.#max = streamsMax;
  }

  remove(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
  }

  /** Begins what waited, as far as there is room; `windowBytes` is what each may send at first. */
  beginWaiting(windowBytes: number): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      const stream = this.#waiting.shift()!;
      if (stream.isClosed) continue;
      stream.sendWindow = windowBytes;
      this.#begin(stream);
      stream.opened();
    }
  }

  /** The server takes none beyond `last`: those are closed as never begun. */
  refuseBeyond(last: number): void {
    for (let stream = this.#waiting.shift(); stream !== undefined; stream = this.#waiting.shift()) {
      stream.close(errorCode.refusedStream, false);
    }
    for (const [id, stream] of this.#streams) if (id > last) stream.close(errorCode.refusedStream, false);
  }

  /** The connection is gone. */
  lose(): void {
    for (const stream of this.#streams.values()) stream.close(errorCode.cancel, true);
    for (let stream = this.#waiting.shift(); stream !== undefined; stream = this.#waiting.shift()) {
      stream.close(errorCode.cancel, true);
    }
  }

  #hasRoom(): boolean {
    return !this.#isServer && this.#streams.size < this.#max && !this.isExhausted;
  }

  #begin(stream: Http2Stream): void {
    this.#last += 2;
    this.add(this.#last, stream);
  }
}
