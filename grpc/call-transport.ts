/** The seam between one HTTP/2 stream and what is made of it: a unary call, a stream of messages, a grpc-js handler. */
import type { MessageParts } from './method.ts';
import type { GrpcError, StreamEnd } from './status.ts';

/** What a call hears of its stream. Nothing comes after `ended`. */
export interface CallListener {
  /** A whole message, inflated. The reserved bytes are released with `transport.release`. */
  message(message: Buffer, reservedBytes: number): void;
  /** The peer has sent its last message. */
  remoteEnd(): void;
  /** After `write` answered false: there is room again. */
  drain(): void;
  /** The stream is over, however it ended. Once. */
  ended(end: StreamEnd): void;
}

export interface CallTransport {
  /** Sends one message. False: enough is buffered, wait for `drain`. */
  write(message: MessageParts): boolean;
  /** Client: no more messages from here. Server: ends the call with OK. */
  finish(): void;
  /** Server: ends the call with this status. Client: cancels, and the call has ended with this status. */
  fail(error: GrpcError): void;
  pause(): void;
  resume(): void;
  release(reservedBytes: number): void;
}
