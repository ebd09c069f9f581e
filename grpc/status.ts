/**
 * gRPC statuses and how they travel: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md and
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Responses", "HTTP2 Transport Mapping").
 */
import type { HeaderFields } from '../http2/header-fields.ts';
import { errorCode } from '../http2/protocol.ts';
import { grpcErrorTextMax } from '../limits.ts';

export const grpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type StatusName = keyof typeof grpcStatus;
export type StatusCode = (typeof grpcStatus)[StatusName];

const names = Object.keys(grpcStatus) as StatusName[];

/** `NOT_FOUND` for 5; a number that gRPC does not know stays a number. */
export function statusName(code: number): string {
  return names[code] ?? String(code);
}

/** Trailers or headers that a caller may read or set: lower-case names; values of `-bin` names are base64. */
export type GrpcMetadata = Readonly<Record<string, string>>;

/** How a call or stream ended. */
export interface StreamEnd {
  readonly code: StatusCode;
  readonly details: string;
  readonly metadata: GrpcMetadata;
  /** True if the server certainly did nothing with the call, so that even a write may be sent again. */
  readonly neverProcessed: boolean;
}

/** A call that did not end with OK. Handlers throw it, clients catch it. */
export class GrpcError extends Error {
  readonly code: StatusCode;
  readonly details: string;
  readonly metadata: GrpcMetadata;
  readonly neverProcessed: boolean;

  constructor(code: StatusCode, details: string, metadata: GrpcMetadata = {}, neverProcessed = false) {
    super(`${code} ${statusName(code)}: ${details}`);
    this.name = 'GrpcError';
    this.code = code;
    this.details = details;
    this.metadata = metadata;
    this.neverProcessed = neverProcessed;
  }
}

export function errorOfEnd(end: StreamEnd): GrpcError {
  return new GrpcError(end.code, end.details, end.metadata, end.neverProcessed);
}

export function streamEnd(
  code: StatusCode,
  details: string,
  metadata: GrpcMetadata = {},
  neverProcessed = false,
): StreamEnd {
  return { code, details, metadata, neverProcessed };
}

export const okEnd: StreamEnd = streamEnd(grpcStatus.OK, '');

/** `grpc-message`: UTF-8 with every byte outside printable ASCII, and the percent sign itself, as %XX. */
export function encodeGrpcMessage(text: string): string {
  const bounded = text.length > grpcErrorTextMax ? `${text.slice(0, grpcErrorTextMax)}…` : text;
  if (/^[\x20-\x24\x26-\x7e]*$/.test(bounded)) return bounded;
  let encoded = '';
  for (const byte of Buffer.from(bounded, 'utf8')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** The reverse; a text that is not well encoded is kept as it came, for it is shown to people only. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** What `grpc-status` in these headers or trailers says; undefined if they carry none. */
export function endOfHeaders(headers: HeaderFields): StreamEnd | undefined {
  const text = headers['grpc-status'];
  if (text === undefined) return undefined;
  const number = Number(text);
  const known = Number.isInteger(number) && number >= 0 && number <= 16;
  const code = known ? (number as StatusCode) : grpcStatus.UNKNOWN;
  const message = headers['grpc-message'];
  if (code === grpcStatus.OK && message === undefined) return { ...okEnd, metadata: metadataOf(headers) };
  return streamEnd(code, message === undefined ? '' : decodeGrpcMessage(message), metadataOf(headers));
}

/** A peer's own headers, without those of HTTP/2 and gRPC. */
export function metadataOf(headers: HeaderFields): GrpcMetadata {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || name === 'content-type' || name === 'grpc-status' || name === 'grpc-message') continue;
    if (name === 'grpc-encoding' || name === 'grpc-accept-encoding') continue;
    metadata[name] = value;
  }
  return metadata;
}

/** The status of an answer that is not gRPC's: a proxy's, say. */
export function codeOfHttpStatus(httpStatus: number): StatusCode {
  switch (httpStatus) {
    case 400:
      return grpcStatus.INTERNAL;
    case 401:
      return grpcStatus.UNAUTHENTICATED;
    case 403:
      return grpcStatus.PERMISSION_DENIED;
    case 404:
      return grpcStatus.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return grpcStatus.UNAVAILABLE;
    default:
      return grpcStatus.UNKNOWN;
  }
}

/** How a stream ended that was reset, or whose connection broke, before any status came. */
export function endOfReset(resetCode: number): StreamEnd {
  switch (resetCode) {
    // No reset at all: the server left with the call open, as one does whose time to drain is over.
    case errorCode.noError:
      return streamEnd(grpcStatus.UNAVAILABLE, 'the server closed the call before any status');
    case errorCode.refusedStream:
      return streamEnd(grpcStatus.UNAVAILABLE, 'the server refused the stream', {}, true);
    case errorCode.cancel:
      return streamEnd(grpcStatus.CANCELLED, 'the call was cancelled');
    case errorCode.enhanceYourCalm:
      return streamEnd(grpcStatus.RESOURCE_EXHAUSTED, 'the server asked for fewer calls (ENHANCE_YOUR_CALM)');
    case errorCode.inadequateSecurity:
      return streamEnd(grpcStatus.PERMISSION_DENIED, 'the server asked for more security (INADEQUATE_SECURITY)');
    default:
      return streamEnd(grpcStatus.INTERNAL, `the stream was reset with HTTP/2 code ${resetCode} before any status`);
  }
}
