/**
 * A reply as ioredis 6 hands it over with its defaults: bytes are text (or Buffers, from a method ending in `Buffer`),
 * integers numbers, maps and pairs flat arrays, the fields of HGETALL an object. Errors reject.
 */
import { type Reply, ReplyError, ReplyMap } from '../commands/reply.ts';

/** A command's error. `message` begins with its code, as a server's does: `WRONGTYPE Operation against …`. */
export class EngineReplyError extends Error {
  override readonly name = 'ReplyError';
  readonly code: string;

  constructor({ code, message }: ReplyError) {
    super(`${code} ${message}`);
    this.code = code;
  }
}

export type EngineReply = null | number | string | Buffer | EngineReply[] | { [field: string]: EngineReply };

/** Throws EngineReplyError for an error. */
export function engineReply(name: string, reply: Reply, asBuffers: boolean): EngineReply {
  const plain = plainReply(reply, asBuffers);
  if (name !== 'HGETALL' || !Array.isArray(plain)) return plain;
  // Without a prototype's names in the way: a field may be called `__proto__`.
  const fields: { [field: string]: EngineReply } = {};
  for (let at = 0; at < plain.length; at += 2) {
    const field = (plain[at] as string | Buffer).toString();
    Object.defineProperty(fields, field, {
      value: plain[at + 1],
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return fields;
}

function plainReply(reply: Reply, asBuffers: boolean): EngineReply {
  if (reply instanceof ReplyError) throw new EngineReplyError(reply);
  if (reply === null || typeof reply === 'number') return reply;
  if (typeof reply === 'bigint') return Number(reply);
  if (typeof reply === 'string') return asBuffers ? Buffer.from(reply) : reply;
  if (Buffer.isBuffer(reply)) return asBuffers ? reply : reply.toString('utf8');
  if (Array.isArray(reply)) return reply.map((item) => plainReply(item, asBuffers));
  if (reply instanceof ReplyMap) return reply.pairs.flat().map((item) => plainReply(item, asBuffers));
  return reply satisfies never;
}
