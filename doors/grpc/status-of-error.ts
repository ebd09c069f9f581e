/** Which gRPC status each code of errors.ts becomes. The code itself travels in the trailer `kvcache-code`. */
import type { ReplyError } from '../../commands/reply.ts';
import type { ErrorCode } from '../../errors.ts';
import { GrpcError, grpcStatus, type StatusCode } from '../../grpc/status.ts';

export const codeTrailer = 'kvcache-code';

export const statusOfError: Readonly<Record<ErrorCode, StatusCode>> = {
  ERR: grpcStatus.INVALID_ARGUMENT,
  TOOLARGE: grpcStatus.INVALID_ARGUMENT,
  CROSSSLOT: grpcStatus.INVALID_ARGUMENT,
  CONFIG: grpcStatus.INVALID_ARGUMENT,
  NOAUTH: grpcStatus.UNAUTHENTICATED,
  WRONGTYPE: grpcStatus.FAILED_PRECONDITION,
  MOVED: grpcStatus.FAILED_PRECONDITION,
  // Clients try these again, here or elsewhere.
  UNAVAILABLE: grpcStatus.UNAVAILABLE,
  LOADING: grpcStatus.UNAVAILABLE,
  SHUTDOWN: grpcStatus.UNAVAILABLE,
  FENCED: grpcStatus.UNAVAILABLE,
  BLOBDOWN: grpcStatus.UNAVAILABLE,
  TRYAGAIN: grpcStatus.RESOURCE_EXHAUSTED,
  BLOBFULL: grpcStatus.RESOURCE_EXHAUSTED,
  TIMEOUT: grpcStatus.DEADLINE_EXCEEDED,
  CANCELLED: grpcStatus.CANCELLED,
  // Storage itself has failed: INTERNAL is what users of these contracts know.
  DISKFULL: grpcStatus.INTERNAL,
  CORRUPT: grpcStatus.INTERNAL,
  LOCKED: grpcStatus.INTERNAL,
  FORMAT: grpcStatus.INTERNAL,
};

export function grpcErrorOfReply(reply: ReplyError): GrpcError {
  return new GrpcError(statusOfError[reply.code], reply.message, { [codeTrailer]: reply.code });
}

/** A request that a door refuses by itself. */
export function invalidArgument(text: string): GrpcError {
  return new GrpcError(grpcStatus.INVALID_ARGUMENT, text, { [codeTrailer]: 'ERR' });
}

/** A method of a contract that this server does not do, and why. */
export function unimplemented(text: string): GrpcError {
  return new GrpcError(grpcStatus.UNIMPLEMENTED, text, { [codeTrailer]: 'ERR' });
}
