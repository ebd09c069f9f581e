/**
 * What can come of an operation on Blob, as data.
 *
 * Callers decide by `kind`; none of them sees an error of the SDK. Faults that may pass by themselves (408, 429, 5xx,
 * timeouts, connections) are `unavailable`, and it is then unknown whether a write was done.
 */
import { RestError } from '@azure/storage-blob';

import { messageOf } from '../../errors.ts';

export type BlobFailureKind =
  /** The blob is not there (its container is). */
  | 'notFound'
  | 'containerMissing'
  /** If-Match or If-None-Match did not hold. Also what a retried write meets whose first attempt landed unheard. */
  | 'preconditionFailed'
  /** A block of the list is neither staged nor committed: somebody else committed, or the store lost it. */
  | 'invalidBlockList'
  /** The blob is shorter than the range asked for. */
  | 'invalidRange'
  /** 401 or 403. */
  | 'forbidden'
  | 'unavailable'
  /** The caller's signal. */
  | 'aborted'
  /** Another 4xx: our fault, and repeating does not help. */
  | 'refused';

export interface BlobFailure {
  readonly kind: BlobFailureKind;
  readonly message: string;
}

export interface Done<T> {
  readonly kind: 'done';
  readonly value: T;
}

export type BlobOutcome<T> = Done<T> | BlobFailure;

export function done<T>(value: T): Done<T> {
  return { kind: 'done', value };
}

export function failure(kind: BlobFailureKind, message: string): BlobFailure {
  return { kind, message };
}

/** A fault that is worth another attempt. */
export class TransientFault extends Error {
  /** How long the server asked us to wait, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'TransientFault';
    this.retryAfterMs = retryAfterMs;
  }
}

/** Sorts an error of the SDK: a fault to try again, or a final answer. */
export function classify(error: unknown): TransientFault | BlobFailure {
  if (!(error instanceof RestError)) return new TransientFault(messageOf(error), undefined, error);
  const status = error.statusCode;
  // Without a status the request never got an answer: refused, reset, timed out, no such host.
  if (status === undefined) return new TransientFault(describe(error), undefined, error);
  if (status === 408 || status === 429 || status >= 500) {
    return new TransientFault(describe(error), retryAfterMs(error), error);
  }
  return failure(finalKind(status, codeOf(error)), describe(error));
}

function finalKind(status: number, code: string): BlobFailureKind {
  switch (status) {
    case 401:
    case 403:
      return 'forbidden';
    case 404:
      return code === 'ContainerNotFound' ? 'containerMissing' : 'notFound';
    case 409:
      // A container that is being deleted takes no new blobs for half a minute and more.
      return code === 'ContainerBeingDeleted' ? 'containerMissing' : 'preconditionFailed';
    case 412:
      return 'preconditionFailed';
    case 416:
      return 'invalidRange';
    default:
      return code === 'InvalidBlockList' ? 'invalidBlockList' : 'refused';
  }
}

/** The service's own error code; an answer to HEAD has no body, so it is in a header too. */
function codeOf(error: RestError): string {
  return error.response?.headers.get('x-ms-error-code') ?? error.code ?? '';
}

function describe(error: RestError): string {
  const code = codeOf(error);
  const firstLine = error.message.split('\n', 1)[0] ?? '';
  const status = error.statusCode === undefined ? '' : `${error.statusCode} `;
  return `${status}${code}${code === '' || firstLine === '' ? '' : ': '}${firstLine}`;
}

/** Retry-After in seconds or as a date, and Azure's own header in milliseconds. */
function retryAfterMs(error: RestError): number | undefined {
  const headers = error.response?.headers;
  const milliseconds = Number(headers?.get('x-ms-retry-after-ms') ?? headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(milliseconds)) return Math.max(0, milliseconds);
  const text = headers?.get('retry-after');
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
