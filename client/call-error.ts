/**
 * What a failed call means to its caller: a code of errors.ts, and whether the server may have done something.
 *
 * The second decides what may be sent again. A read may always be; a write only where nothing was done, because
 * another client may have written in between and its value would be lost.
 */
import type { ReplyError } from '../commands/reply.ts';
import { type ErrorCode, errorCodes, KvcacheError, messageOf } from '../errors.ts';
import { GrpcError, type StatusName, statusName } from '../grpc/status.ts';

/** A call of the SDK that failed. */
export class CallError extends KvcacheError {
  /** True if the server certainly did nothing, so that even a write may be sent again. */
  readonly nothingDone: boolean;

  constructor(code: ErrorCode, message: string, nothingDone: boolean, options?: ErrorOptions) {
    super(code, message, options);
    this.name = 'CallError';
    this.nothingDone = nothingDone;
  }
}

/** Replies with these codes say by their meaning that nothing was done. */
const refusals: ReadonlySet<ErrorCode> = new Set(['MOVED', 'TRYAGAIN', 'LOADING', 'SHUTDOWN']);

/** Faults that pass by themselves; everything else would only fail again. */
const passing: ReadonlySet<ErrorCode> = new Set([...refusals, 'UNAVAILABLE']);

/** May a read, or a write that is the same done twice, be sent again after this? */
export function mayRepeatRead(error: KvcacheError): boolean {
  return passing.has(error.code);
}

/** May a write be sent again after this? Only if nothing of it was done. */
export function mayRepeatWrite(error: KvcacheError): boolean {
  return passing.has(error.code) && error instanceof CallError && error.nothingDone;
}

export function callErrorOfReply(reply: ReplyError): CallError {
  return new CallError(reply.code, reply.message, refusals.has(reply.code));
}

const codesOfStatuses: Readonly<Partial<Record<StatusName, ErrorCode>>> = {
  CANCELLED: 'CANCELLED',
  DEADLINE_EXCEEDED: 'TIMEOUT',
  RESOURCE_EXHAUSTED: 'TRYAGAIN',
  UNAVAILABLE: 'UNAVAILABLE',
  DATA_LOSS: 'CORRUPT',
  UNAUTHENTICATED: 'NOAUTH',
};

/** Trailer in which our servers name the code of errors.ts behind a status. */
const codeTrailer = 'kvcache-code';

/** Any fault of a gRPC call; `target` is the server's host:port. */
export function callErrorOf(cause: unknown, target: string): CallError {
  if (cause instanceof CallError) return cause;
  if (!(cause instanceof GrpcError)) return new CallError('ERR', messageOf(cause), false, { cause });
  const named = cause.metadata[codeTrailer];
  const known = named !== undefined && Object.hasOwn(errorCodes, named) ? (named as ErrorCode) : undefined;
  const code = known ?? codeOfStatus(cause);
  const message = code === 'UNAVAILABLE' ? `${target}: ${cause.details}` : cause.details;
  return new CallError(code, message, cause.neverProcessed || refusals.has(code), { cause });
}

function codeOfStatus({ code, details }: GrpcError): ErrorCode {
  // The one status that gRPC uses for both "too large" and "too many"; the text is that of every implementation.
  if (statusName(code) === 'RESOURCE_EXHAUSTED' && details.includes('larger than max')) return 'TOOLARGE';
  return codesOfStatuses[statusName(code) as StatusName] ?? 'ERR';
}
