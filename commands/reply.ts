/**
 * What a command answers, before a door puts it into its protocol's bytes.
 *
 * Plain JavaScript values stand for the kinds, so that a hit in RAM allocates nothing but its bytes:
 *   null            nil: a miss is a value, never a fault
 *   number, bigint  integer (bigint only outside the safe integers)
 *   string          status, such as 'OK': text of ours, never of a user's
 *   Buffer          bytes; the receiver must not write into it
 *   Reply[]         array
 *   ReplyMap        map, in order
 *   ReplyError      error with a stable code
 */
// As a global it is looked up by a getter, each time: for a command that is answered in a microsecond that counts.
import { Buffer } from 'node:buffer';
import { type ErrorCode, KvcacheError, messageOf } from '../errors.ts';

export type Reply = null | number | bigint | string | Buffer | Reply[] | ReplyMap | ReplyError;

/** A map of replies; pairs keep their order. */
export class ReplyMap {
  readonly pairs: [Reply, Reply][];

  constructor(pairs: [Reply, Reply][]) {
    this.pairs = pairs;
  }
}

/** A fault as a value; `code` decides the door's status. */
export class ReplyError {
  readonly code: ErrorCode;
  readonly message: string;

  constructor(code: ErrorCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export const OK = 'OK';

/** A thrown fault as a reply. Programmer errors keep their message but never a stack. */
export function replyErrorOf(error: unknown): ReplyError {
  if (error instanceof KvcacheError) return new ReplyError(error.code, error.message);
  return new ReplyError('ERR', messageOf(error));
}

export function isBytes(reply: unknown): reply is Buffer {
  return Buffer.isBuffer(reply);
}

/** Bytes that a reply holds, for in-flight accounting. */
export function replyBytes(reply: Reply): number {
  if (typeof reply !== 'object' || reply === null) return 0;
  if (isBytes(reply)) return reply.byteLength;
  if (Array.isArray(reply)) return reply.reduce<number>((sum, item) => sum + replyBytes(item), 0);
  if (reply instanceof ReplyMap) {
    return reply.pairs.reduce((sum, [key, value]) => sum + replyBytes(key) + replyBytes(value), 0);
  }
  return 0;
}
