/**
 * A header block out of HEADERS and the CONTINUATION frames behind it, which nothing may come between.
 *
 * A block has a bound, and so has the number of its frames: a peer that continues without end is a known attack.
 */
import { http2ContinuationsMax, http2HeaderBlockBytesMax } from '../limits.ts';
import { errorCode, frameFlag, frameType, Http2Fault } from './protocol.ts';

export interface HeaderBlock {
  readonly stream: number;
  readonly isEnd: boolean;
  readonly block: Buffer;
}

const priorityBytes = 5;

export class HeaderAssembly {
  #stream = 0;
  #isEnd = false;
  #fragments: Buffer[] = [];
  #bytes = 0;

  /** True between a HEADERS frame and the end of its block: only CONTINUATION of `stream` may follow. */
  get isOpen(): boolean {
    return this.#stream !== 0;
  }

  /** Undefined while more of the block must follow. Throws Http2Fault. */
  headers(flags: number, stream: number, payload: Buffer): HeaderBlock | undefined {
    if (stream === 0) throw new Http2Fault(errorCode.protocolError, 'HEADERS without a stream');
    const fragment = fragmentOf(flags, payload);
    const isEnd = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) return { stream, isEnd, block: fragment };
    this.#stream = stream;
    this.#isEnd = isEnd;
    this.#bytes = 0;
    this.#add(fragment);
    return undefined;
  }

  continuation(flags: number, stream: number, payload: Buffer): HeaderBlock | undefined {
    if (stream === 0 || stream !== this.#stream) {
      throw new Http2Fault(errorCode.protocolError, `CONTINUATION of stream ${stream} without its HEADERS`);
    }
    this.#add(payload);
    if ((flags & frameFlag.endHeaders) === 0) return undefined;
    const block = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#stream = 0;
    return { stream, isEnd: this.#isEnd, block };
  }

  /** Throws Http2Fault where a block is open and this frame does not continue it. */
  expect(type: number): void {
    if (this.isOpen && type !== frameType.continuation) {
      throw new Http2Fault(errorCode.protocolError, `a frame of type ${type} within a header block`);
    }
  }

  /** Its own copy: the payload is gone when its frame was handled. */
  #add(fragment: Buffer): void {
    this.#bytes += fragment.byteLength;
    if (this.#bytes > http2HeaderBlockBytesMax || this.#fragments.length > http2ContinuationsMax) {
      throw new Http2Fault(errorCode.enhanceYourCalm, `a header block above ${http2HeaderBlockBytesMax} bytes`);
    }
    this.#fragments.push(Buffer.from(fragment));
  }
}

function fragmentOf(flags: number, payload: Buffer): Buffer {
  let from = 0;
  let padding = 0;
  if ((flags & frameFlag.padded) !== 0) {
    padding = payload[0] ?? payload.byteLength;
    from += 1;
  }
  if ((flags & frameFlag.priority) !== 0) from += priorityBytes;
  if (from + padding > payload.byteLength) {
    throw new Http2Fault(errorCode.protocolError, 'HEADERS with more padding than payload');
  }
  return payload.subarray(from, payload.byteLength - padding);
}
