/**
 * What can go wrong between the operator and the API server, as one type.
 *
 * The server answers faults with a `Status` object whose `reason` is the stable part; that reason is kept, and faults
 * that never reached the server get reasons of our own. `KubeError` is a `KvcacheError`, so that start-up and logs treat it
 * like every other fault.
 */
import { type ErrorCode, KvcacheError } from '../../errors.ts';
import { kubeErrorTextCharsMax } from '../../limits.ts';

/** Reasons that do not come from the server. */
export type LocalReason =
  /** No answer within the request's time. */
  | 'RequestTimeout'
  /** The connection could not be made, or broke before the whole answer was here. */
  | 'Connection'
  /** The answer was not what the API promises. */
  | 'MalformedAnswer'
  /** This process does not hold the lease (any more), so it writes nothing. */
  | 'NotLeader'
  /** The caller's signal. */
  | 'Cancelled';

export interface KubeStatus {
  readonly kind?: 'Status';
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
    readonly retryAfterSeconds?: number;
  };
}

export interface KubeErrorOptions extends ErrorOptions {
  /** The HTTP status, 0 where there was no answer. */
  readonly status: number;
  readonly reason: string;
  readonly details?: KubeStatus['details'];
  readonly retryAfterMs?: number | undefined;
}

function codeOf(status: number, reason: string): ErrorCode {
  if (reason === 'RequestTimeout' || status === 504) return 'TIMEOUT';
  if (reason === 'NotLeader') return 'FENCED';
  if (reason === 'Cancelled') return 'CANCELLED';
  if (status === 429) return 'TRYAGAIN';
  return status === 0 || status >= 500 ? 'UNAVAILABLE' : 'ERR';
}

export class KubeError extends KvcacheError {
  readonly status: number;
  readonly reason: string;
  readonly details: KubeStatus['details'];
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: KubeErrorOptions) {
    super(codeOf(options.status, options.reason), message.slice(0, kubeErrorTextCharsMax), options);
    this.name = 'KubeError';
    this.status = options.status;
    this.reason = options.reason;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What the server says where it gives no reason, as proxies in front of it do. */
const reasonOfStatus: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** The fault in an answer that is not a success. `request` is `GET /api/v1/pods`: no message is readable without. */
export function errorOfAnswer(
  request: string,
  status: number,
  body: string,
  retryAfterHeader: string | undefined,
): KubeError {
  const told = statusOf(body);
  const seconds = Number(retryAfterHeader ?? told?.details?.retryAfterSeconds ?? Number.NaN);
  const reason = told?.reason || reasonOfStatus[status] || 'Unknown';
  const text = told?.message || body.trim() || 'no explanation';
  return new KubeError(`${request}: ${status} ${reason}: ${text}`, {
    status,
    reason,
    details: told?.details,
    ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1_000 } : {}),
  });
}

function statusOf(body: string): KubeStatus | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && 'code' in parsed ? (parsed as KubeStatus) : undefined;
  } catch {
    // A proxy's page, or nothing at all: the caller shows the text as it is.
    return undefined;
  }
}

function is(error: unknown, ...reasons: readonly string[]): boolean {
  return error instanceof KubeError && reasons.includes(error.reason);
}

export function isNotFound(error: unknown): boolean {
  return is(error, 'NotFound');
}

export function isAlreadyExists(error: unknown): boolean {
  return is(error, 'AlreadyExists');
}

/** The namespace is being deleted: nothing can be made in it any more. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof KubeError && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
  );
}

/** Somebody else changed the object: read it again and decide anew. */
export function isConflict(error: unknown): boolean {
  return is(error, 'Conflict');
}

/** The spec is refused as it stands: trying again without a change is in vain. */
export function isInvalid(error: unknown): boolean {
  return is(error, 'Invalid', 'BadRequest');
}

/** The version asked for is no longer in the server's history: list again. */
export function isGone(error: unknown): boolean {
  return is(error, 'Expired', 'Gone');
}

export function isNotLeader(error: unknown): boolean {
  return is(error, 'NotLeader');
}

/** The API server could not be asked at all, or did not manage: says nothing about the request. */
export function isUnavailable(error: unknown): boolean {
  return (
    error instanceof KubeError && (error.status === 0 ? !is(error, 'NotLeader', 'Cancelled') : error.status >= 500)
  );
}
