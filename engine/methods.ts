/**
 * The names of the engine's methods, and their types, which are ioredis' own: whatever compiles against `Redis` compiles
 * against the engine. A test holds the list equal to what the command table and ioredis have in common,
 * and a few that are about no key.
 */
import type { Redis } from 'ioredis';
import type { EngineArgument } from './command-arguments.ts';

/** About the process, not about keys (process-commands.ts). */
export const processMethods = ['ping', 'echo', 'time', 'select'] as const satisfies readonly (keyof Redis)[];

export const engineMethods = [
  ...processMethods,
  'get',
  'strlen',
  'getrange',
  'substr',
  'mget',
  'set',
  'setnx',
  'setex',
  'psetex',
  'getset',
  'getdel',
  'getex',
  'append',
  'setrange',
  'incr',
  'decr',
  'incrby',
  'decrby',
  'incrbyfloat',
  'mset',
  'msetnx',
  'del',
  'unlink',
  'exists',
  'touch',
  'type',
  'rename',
  'renamenx',
  'copy',
  'expire',
  'pexpire',
  'expireat',
  'pexpireat',
  'persist',
  'ttl',
  'pttl',
  'expiretime',
  'pexpiretime',
  'object',
  'memory',
  'dbsize',
  'scan',
  'keys',
  'randomkey',
  'flushall',
  'flushdb',
  'hset',
  'hmset',
  'hsetnx',
  'hget',
  'hmget',
  'hgetall',
  'hkeys',
  'hvals',
  'hlen',
  'hstrlen',
  'hexists',
  'hdel',
  'hincrby',
  'hincrbyfloat',
  'hrandfield',
  'hscan',
  'sadd',
  'srem',
  'sismember',
  'smismember',
  'smembers',
  'scard',
  'spop',
  'srandmember',
  'sscan',
  'smove',
  'sinter',
  'sunion',
  'sdiff',
  'sintercard',
  'lpush',
  'rpush',
  'lpushx',
  'rpushx',
  'lpop',
  'rpop',
  'llen',
  'lrange',
  'lindex',
  'lset',
  'linsert',
  'lrem',
  'ltrim',
  'lpos',
  'lmove',
  'rpoplpush',
  'lmpop',
  'zadd',
  'zrem',
  'zscore',
  'zmscore',
  'zincrby',
  'zcard',
  'zcount',
  'zlexcount',
  'zrange',
  'zrevrange',
  'zrangebyscore',
  'zrevrangebyscore',
  'zrangebylex',
  'zrevrangebylex',
  'zrank',
  'zrevrank',
  'zpopmin',
  'zpopmax',
  'zmpop',
  'zrandmember',
  'zscan',
  'zremrangebyrank',
  'zremrangebyscore',
  'zremrangebylex',
  'zinter',
  'zunion',
  'zdiff',
  'zintercard',
] as const satisfies readonly (keyof Redis)[];

export type EngineMethod = (typeof engineMethods)[number];

/** The same with Buffers for bytes, where ioredis has it. */
export type BufferMethod = Extract<keyof Redis, `${EngineMethod}Buffer`>;

export type EngineMethods = Pick<Redis, EngineMethod | BufferMethod>;

/** Methods that collect a command and answer the pipeline. */
export type PipelineMethods<Pipeline> = Record<EngineMethod | BufferMethod, (...args: EngineArgument[]) => Pipeline>;

/**
 * Puts the methods on a class by their names: each has `perform` do its command, with Buffers for bytes or without.
 */
export function installMethods<Target extends object>(
  prototype: Target,
  perform: (target: Target, name: string, args: readonly EngineArgument[], asBuffers: boolean) => unknown,
): void {
  const install = (method: string, name: string, asBuffers: boolean): void => {
    Object.defineProperty(prototype, method, {
      value(this: Target, ...args: EngineArgument[]) {
        return perform(this, name, args, asBuffers);
      },
      configurable: true,
      writable: true,
    });
  };
  for (const method of engineMethods) {
    install(method, method.toUpperCase(), false);
    install(`${method}Buffer`, method.toUpperCase(), true);
  }
}
