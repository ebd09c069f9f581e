/** What a route answers, before it is put on the wire, and the faults that all routes share. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../commands/reply.ts';
import type { ErrorCode } from '../../errors.ts';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: OutgoingHttpHeaders;
}

export const jsonType = 'application/json; charset=utf-8';
export const bytesType = 'application/octet-stream';

export function json(status: number, value: object, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, type: jsonType, body: `${JSON.stringify(value)}\n`, headers };
}

/** A request that says what cannot be: S1's own words. */
export function invalidRequest(text: string): Answer {
  return json(400, { error: `invalid request: ${text}` });
}

/**
 * The status of each code of errors.ts. S1 knows 400, 404 and 500; where HTTP has a status that tells clients and
 * balancers more (try again, ask another shard), it stands in 500's place, with S1's text all the same.
 */
const statusOfError: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR: 400,
  CONFIG: 400,
  NOAUTH: 401,
  WRONGTYPE: 409,
  TOOLARGE: 413,
  MOVED: 421,
  UNAVAILABLE: 503,
  LOADING: 503,
  SHUTDOWN: 503,
  FENCED: 503,
  BLOBDOWN: 503,
  BLOBFULL: 503,
  TRYAGAIN: 503,
  CANCELLED: 503,
  TIMEOUT: 504,
};

/** A command's error; `action` is what failed, such as `get key`. The code travels beside the text. */
export function failure(action: string, { code, message }: ReplyError): Answer {
  const status = statusOfError[code] ?? 500;
  const error = status === 400 ? `invalid request: ${message}` : `failed to ${action}: ${message}`;
  return json(status, { error, code }, status === 503 ? { 'retry-after': '1' } : {});
}
