/**
 * Data that comes in: what of the windows it uses up, and what is given back.
 *
 * A byte is given back when whoever reads its stream has taken it, to the stream and to the connection. Bytes that nobody
 * takes, of padding and of streams that are gone, go back to the connection at once. Room is announced once half of a
 * window has been used, so that a large value costs a few frames of it and a small one none.
 */
import { readInPlaceBytesMin } from '../limits.ts';
import { errorCode, frameFlag, Http2Fault, initialWindowBytes } from './protocol.ts';
import type { Http2Stream } from './stream.ts';

export interface InflowOwner {
  windowUpdate(stream: number, bytes: number): void;
  /** The peer has broken the rules of a stream. Throws Http2Fault for one that does so again and again. */
  refuse(stream: Http2Stream, code: number): void;
}

export class Inflow {
  readonly #owner: InflowOwner;
  readonly #streamWindowBytes: number;
  readonly #windowBytes: number;
  /** What the peer may send before it hears of more. */
  #window: number;
  #unreturned = 0;
  /** Of the DATA frame in hand: its stream, unless that is gone, and what of its length did not go to it. */
  #stream: Http2Stream | undefined;
  #notData = 0;

  constructor(owner: InflowOwner, streamWindowBytes: number, connectionWindowBytes: number) {
    this.#owner = owner;
    this.#streamWindowBytes = streamWindowBytes;
    this.#windowBytes = Math.max(initialWindowBytes, connectionWindowBytes);
    this.#window = this.#windowBytes;
  }

  /** What the peer has to be told once, beyond what every connection begins with. */
  get extraWindowBytes(): number {
    return this.#windowBytes - initialWindowBytes;
  }

  /** Throws Http2Fault for more than the connection's window. */
  begin(stream: Http2Stream | undefined, length: number): void {
    this.#window -= length;
    if (this.#window < 0) throw new Http2Fault(errorCode.flowControlError, 'more data than the window has room for');
    this.#stream = stream;
    this.#notData = length;
    if (stream === undefined) return;
    stream.receiveWindow -= length;
    if (stream.isRemoteEnded) this.#owner.refuse(stream, errorCode.streamClosed);
    else if (!stream.hasReceivedHeaders) this.#owner.refuse(stream, errorCode.protocolError);
    else if (stream.receiveWindow < 0) this.#owner.refuse(stream, errorCode.flowControlError);
  }

  data(chunk: Buffer): void {
    const stream = this.#stream;
    if (stream === undefined || stream.isClosed) return;
    this.#notData -= chunk.byteLength;
    stream.receiveData(chunk);
  }

  /** Where the next `bytesMax` bytes of the DATA frame in hand belong, or fewer of them, if that is known. */
  whereNext(bytesMax: number): Buffer | undefined {
    return bytesMax < readInPlaceBytesMin ? undefined : this.#stream?.whereNext(bytesMax);
  }

  end(flags: number): void {
    const stream = this.#stream;
    this.#stream = undefined;
    const notData = this.#notData;
    if (notData > 0) this.#return(notData);
    if (stream === undefined || stream.isClosed) return;
    if ((flags & frameFlag.endStream) !== 0) stream.receiveEnd();
    else if (notData > 0) this.#returnTo(stream, notData);
  }

  /** Whoever reads the stream has taken these bytes; `isOpen`: more may follow. */
  taken(stream: Http2Stream, bytes: number, isOpen: boolean): void {
    this.#return(bytes);
    if (isOpen) this.#returnTo(stream, bytes);
  }

  #return(bytes: number): void {
    this.#unreturned += bytes;
    if (this.#unreturned < this.#windowBytes / 2) return;
    this.#window += this.#unreturned;
    this.#owner.windowUpdate(0, this.#unreturned);
    this.#unreturned = 0;
  }

  #returnTo(stream: Http2Stream, bytes: number): void {
    stream.unreturnedBytes += bytes;
    if (stream.unreturnedBytes < this.#streamWindowBytes / 2) return;
    stream.receiveWindow += stream.unreturnedBytes;
    this.#owner.windowUpdate(stream.id, stream.unreturnedBytes);
    stream.unreturnedBytes = 0;
  }
}
