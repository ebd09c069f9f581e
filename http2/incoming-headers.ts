/**
 * Header blocks of the peer's: requests, responses, trailers, and those that come too late or not as they should.
 *
 * Whatever is wrong with a message costs its stream only, as long as its block could be decoded (RFC 9113, 8.1.1). One
 * thing is not looked at: whether `content-length` is true. gRPC's messages say themselves how long they are.
 */
import { http2HeaderListBytesMax, http2HeaderTableBytes } from '../limits.ts';
import type { HeaderBlock } from './header-assembly.ts';
import type { HeaderFields } from './header-fields.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackError } from './hpack-error.ts';
import { errorCode, Http2Fault } from './protocol.ts';
import { areTrailers, isInformational, isRequest } from './pseudo-headers.ts';
import type { StreamTable } from './stream-table.ts';
import type { Http2Stream } from './stream.ts';

export interface HeadersOwner {
  /** A client's new stream, if there is room for one more. */
  onRequest(id: number, fields: HeaderFields, isEnd: boolean): void;
  /** The peer has broken the rules of a stream. Both throw Http2Fault for one that does so again and again. */
  refuse(stream: Http2Stream, code: number): void;
  refuseRequest(id: number, code: number): void;
  /** Headers that do nothing. Throws Http2Fault for too many. */
  onVainHeaders(): void;
}

export class IncomingHeaders {
  readonly #owner: HeadersOwner;
  readonly #streams: StreamTable;
  readonly #isServer: boolean;
  readonly #decoder = new HpackDecoder({ tableBytesMax: http2HeaderTableBytes, listBytesMax: http2HeaderListBytesMax });

  constructor(owner: HeadersOwner, streams: StreamTable, isServer: boolean) {
    this.#owner = owner;
    this.#streams = streams;
    this.#isServer = isServer;
  }

  /** Throws Http2Fault. */
  take({ stream: id, isEnd, block }: HeaderBlock): void {
    const fields = this.#decoded(block);
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#takeFurther(stream, fields, isEnd);
    else if (this.#streams.isNew(id)) this.#takeRequest(id, fields, isEnd);
    else this.#takeLate(id, fields);
  }

  #takeRequest(id: number, fields: HeaderFields | 'too-large', isEnd: boolean): void {
    this.#streams.begun(id);
    if (fields === 'too-large') this.#owner.refuseRequest(id, errorCode.enhanceYourCalm);
    else if (this.#isFaulty || !isRequest(fields)) this.#owner.refuseRequest(id, errorCode.protocolError);
    else this.#owner.onRequest(id, fields, isEnd);
  }

  #takeFurther(stream: Http2Stream, fields: HeaderFields | 'too-large', isEnd: boolean): void {
    if (stream.isRemoteEnded) this.#owner.refuse(stream, errorCode.streamClosed);
    else if (fields === 'too-large') this.#owner.refuse(stream, errorCode.enhanceYourCalm);
    else if (this.#isFaulty) this.#owner.refuse(stream, errorCode.protocolError);
    else if (!stream.hasReceivedHeaders) this.#takeResponse(stream, fields, isEnd);
    else if (!isEnd || !areTrailers(fields)) this.#owner.refuse(stream, errorCode.protocolError);
    // gRPC does not look at those of a request.
    else stream.receiveEnd(this.#isServer ? undefined : fields);
  }

  #takeResponse(stream: Http2Stream, fields: HeaderFields, isEnd: boolean): void {
    const isFinal = !isInformational(fields);
    if (fields[':status'] === undefined || (isEnd && !isFinal)) this.#owner.refuse(stream, errorCode.protocolError);
    else if (isFinal) stream.receiveHeaders(fields, isEnd);
    else this.#owner.onVainHeaders();
  }

  /** Of a stream that is gone: trailers were sent before the peer knew; a request must not use a number again. */
  #takeLate(id: number, fields: HeaderFields | 'too-large'): void {
    this.#streams.known(id, 'HEADERS');
    if (fields !== 'too-large' && isRequest(fields)) {
      throw new Http2Fault(errorCode.protocolError, `a request on stream ${id}, which is over`);
    }
    this.#owner.onVainHeaders();
  }

  get #isFaulty(): boolean {
    return this.#decoder.fault !== undefined;
  }

  /** Throws Http2Fault for what is no header block: the tables of both sides would differ from then on. */
  #decoded(block: Buffer): HeaderFields | 'too-large' {
    try {
      return this.#decoder.decode(block);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new Http2Fault(errorCode.compressionError, error.message);
    }
  }
}
