/**
 * Keys and values, for programs: every call is a command of commands/table.ts, batched by client/batcher.ts.
 *
 *     const client = new KvcacheClient();
 *     await client.set('greeting', 'hello', { ttlMs: 60_000 });
 *     const value = await client.get('greeting'); // Buffer, or null for a miss
 *     client.close();
 *
 * Keys and values are bytes; a string stands for its UTF-8. A buffer that was handed over must not be changed until
 * its call has ended: it is sent from where it lies. Every fault is a `CallError` (a `KvcacheError`) with a code of
 * errors.ts; a miss is none.
 */
import { type Acknowledgement } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { KvcacheError } from '../errors.ts';
import { clientBatchBytesMax, clientKeysPerCommandMax, clientScanPageKeys } from '../limits.ts';
import { Batcher } from './batcher.ts';
import { Endpoint } from './endpoint.ts';
import { type CallOptions, type ClientOptions, deadlineMsOf, retryPolicyOf, type WriteOptions } from './options.ts';

/** A key or a value. */
export type Bytes = string | Uint8Array;

export interface SetOptions extends WriteOptions {
  /** Time to live from when the server has the write; absent: the value stays. */
  readonly ttlMs?: number | undefined;
  /** Keep the expiry that the key has now. */
  readonly keepTtl?: boolean | undefined;
  /** Store only if the key is absent, or only if it is there. */
  readonly onlyIf?: 'absent' | 'present' | undefined;
}

export interface SetManyOptions extends WriteOptions {
  readonly ttlMs?: number | undefined;
}

export interface ScanOptions extends CallOptions {
  readonly prefix?: Bytes | undefined;
  /** Ends after so many. */
  readonly limit?: number | undefined;
  /** Keys asked for at a time. Default 1,000. */
  readonly pageKeys?: number | undefined;
}

export class KvcacheClient {
  /** host:port, or several with commas between them. */
  readonly server: string;
  readonly #options: ClientOptions;
  readonly #endpoint: Endpoint;
  readonly #batcher: Batcher;

  constructor(options: ClientOptions = {}) {
    this.#endpoint = new Endpoint(options);
    this.server = this.#endpoint.server;
    this.#options = options;
    this.#batcher = new Batcher(this.#endpoint, retryPolicyOf(options));
  }

  /** Any command of the table, for what has no method here. Rejects with CallError where the reply is an error. */
  async command(name: string, args: readonly Bytes[], options?: WriteOptions): Promise<Reply> {
    if (!/^[A-Z][A-Z0-9.]*$/.test(name)) throw new KvcacheError('ERR', `${JSON.stringify(name)} is no command name`);
    return this.#run(name, args, options, asItIs);
  }

  /** The value, or null for a miss. */
  get(key: Bytes, options?: CallOptions): Promise<Buffer | null> {
    return this.#run('GET', [key], options, bytesOrNull);
  }

  /** True if stored; false only where `onlyIf` did not hold. */
  set(key: Bytes, value: Bytes, options?: SetOptions): Promise<boolean> {
    if (options === undefined) return this.#run('SET', [key, value], undefined, isThere);
    return this.#setWith(key, value, options);
  }

  /** True if the key was there. */
  async delete(key: Bytes, options?: WriteOptions): Promise<boolean> {
    return (await this.mdelete([key], options)) === 1;
  }

  exists(key: Bytes, options?: CallOptions): Promise<boolean> {
    return this.#run('EXISTS', [key], options, isOne);
  }

  /** The values in the order of the keys, null for a miss. */
  async mget(keys: readonly Bytes[], options?: CallOptions): Promise<(Buffer | null)[]> {
    const parts = await Promise.all(split(keys).map((part) => this.#mgetPart(part, options)));
    return parts.flat();
  }

  /** Stores all pairs; those of one shard together or not at all. */
  async mset(
    pairs: Iterable<readonly [Bytes, Bytes]> | Readonly<Record<string, Bytes>>,
    options: SetManyOptions = {},
  ): Promise<void> {
    const entries = Symbol.iterator in pairs ? pairs : Object.entries(pairs);
    const args = [...entries].flat();
    if (args.length === 0) return;
    if (options.ttlMs === undefined) await this.command('MSET', args, options);
    else await this.command('MSETEX', [String(Date.now() + positive(options.ttlMs)), ...args], options);
  }

  /** Deletes keys; answers how many were there. */
  async mdelete(keys: readonly Bytes[], options?: WriteOptions): Promise<number> {
    const replies = await Promise.all(split(keys).map((part) => this.command('DEL', part, options)));
    return replies.reduce<number>((sum, reply) => sum + integer(reply), 0);
  }

  /** Sets the time to live; false if the key is absent. */
  async expire(key: Bytes, ttlMs: number, options?: WriteOptions): Promise<boolean> {
    return integer(await this.command('PEXPIRE', [key, ttlText(ttlMs)], options)) === 1;
  }

  /** Removes the expiry; false if there was none. */
  async persist(key: Bytes, options?: WriteOptions): Promise<boolean> {
    return integer(await this.command('PERSIST', [key], options)) === 1;
  }

  /** Milliseconds that the key has left; Infinity without expiry, null if it is absent. */
  async ttl(key: Bytes, options?: CallOptions): Promise<number | null> {
    const ttlMs = integer(await this.command('PTTL', [key], options));
    if (ttlMs === -2) return null;
    return ttlMs === -1 ? Infinity : ttlMs;
  }

  /** How many keys there are. */
  async size(options?: CallOptions): Promise<number> {
    return integer(await this.command('DBSIZE', [], options));
  }

  /** Resolves when everything written so far is that safe on every shard. */
  async flush(level: Exclude<Acknowledgement, 'memory'>, options?: CallOptions): Promise<void> {
    await this.command('FLUSH', [level], options);
  }

  /** The state of every shard, as each tells it. */
  async status(options?: CallOptions): Promise<Record<string, unknown>[]> {
    const reply = await this.command('SHARDINFO', [], options);
    const shards = Array.isArray(reply) ? reply : [reply];
    return shards.filter(Buffer.isBuffer).map((json) => JSON.parse(json.toString('utf8')) as Record<string, unknown>);
  }

  /** Keys that begin with `prefix`, in no order. Those written or deleted meanwhile may or may not be among them. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    for await (const items of this.#pages('KEYS', options)) yield* items;
  }

  /** The same with values. */
  async *scanPairs(options: ScanOptions = {}): AsyncGenerator<[Buffer, Buffer], void, undefined> {
    for await (const items of this.#pages('VALUES', options)) {
      for (let index = 0; index + 1 < items.length; index += 2) yield [items[index]!, items[index + 1]!];
    }
  }

  /** Fails what is under way with CANCELLED and ends the connections. */
  close(): void {
    this.#batcher.close();
    this.#endpoint.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #setWith(key: Bytes, value: Bytes, options: SetOptions): Promise<boolean> {
    const args: Bytes[] = [key, value];
    if (options.ttlMs !== undefined) args.push('PX', ttlText(options.ttlMs));
    if (options.keepTtl) args.push('KEEPTTL');
    if (options.onlyIf) args.push(options.onlyIf === 'absent' ? 'NX' : 'XX');
    return this.#run('SET', args, options, isThere);
  }

  /** One promise a command, whatever becomes of it: with thousands under way, each one more is a tenth of the work. */
  #run<Result>(
    name: string,
    args: readonly Bytes[],
    options: WriteOptions | undefined,
    convert: (reply: Reply) => Result,
  ): Promise<Result> {
    let deadlineMs: number;
    try {
      deadlineMs = deadlineMsOf(this.#options, options);
    } catch (error) {
      return Promise.reject(error);
    }
    const acknowledgement = options?.acknowledgement ?? this.#options.acknowledgement;
    const command = { name, args: args.map(bytesOf), acknowledgement };
    return this.#batcher.submit(command, convert, deadlineMs, options?.signal);
  }

  /** Values too large for one answer are asked for in halves. */
  async #mgetPart(keys: readonly Bytes[], options: CallOptions | undefined): Promise<(Buffer | null)[]> {
    try {
      return array(await this.command('MGET', keys, options)).map(bytesOrNull);
    } catch (error) {
      if (!(error instanceof KvcacheError) || error.code !== 'TOOLARGE' || keys.length === 1) throw error;
      const middle = Math.ceil(keys.length / 2);
      const first = await this.#mgetPart(keys.slice(0, middle), options);
      return [...first, ...(await this.#mgetPart(keys.slice(middle), options))];
    }
  }

  async *#pages(what: 'KEYS' | 'VALUES', options: ScanOptions): AsyncGenerator<Buffer[], void, undefined> {
    const { prefix = '', limit = Infinity, pageKeys = clientScanPageKeys } = options;
    const itemsPerKey = what === 'KEYS' ? 1 : 2;
    let left = limit;
    let cursor: Bytes = '';
    while (left > 0) {
      const count = String(Math.min(left, pageKeys));
      const [next, page] = array(await this.command('PREFIXSCAN', [cursor, prefix, count, what], options));
      const items = array(page ?? []).map(bytes);
      yield items.slice(0, left * itemsPerKey);
      left -= items.length / itemsPerKey;
      cursor = bytes(next ?? null);
      if (cursor.byteLength === 0) return;
    }
  }
}

export function bytesOf(value: Bytes): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}

/** Lists that each fit well into one batch. */
function split(keys: readonly Bytes[]): Bytes[][] {
  const parts: Bytes[][] = [];
  let part: Bytes[] = [];
  let partBytes = 0;
  for (const key of keys) {
    if (part.length >= clientKeysPerCommandMax || partBytes + key.length > clientBatchBytesMax / 4) {
      if (part.length > 0) parts.push(part);
      part = [];
      partBytes = 0;
    }
    part.push(key);
    partBytes += key.length;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

function positive(ttlMs: number): number {
  if (!Number.isSafeInteger(ttlMs) || ttlMs <= 0) {
    throw new KvcacheError('ERR', `ttlMs is ${ttlMs}: it must be a whole number of milliseconds above 0`);
  }
  return ttlMs;
}

function ttlText(ttlMs: number): string {
  return String(positive(ttlMs));
}

function integer(reply: Reply): number {
  return typeof reply === 'number' ? reply : unexpected(reply, 'an integer');
}

function array(reply: Reply): Reply[] {
  return Array.isArray(reply) ? reply : unexpected(reply, 'an array');
}

function bytes(reply: Reply): Buffer {
  return Buffer.isBuffer(reply) ? reply : unexpected(reply, 'bytes');
}

function asItIs(reply: Reply): Reply {
  return reply;
}

function isThere(reply: Reply): boolean {
  return reply !== null;
}

function isOne(reply: Reply): boolean {
  return integer(reply) === 1;
}

function bytesOrNull(reply: Reply): Buffer | null {
  return reply === null ? null : bytes(reply);
}

function unexpected(reply: Reply, wanted: string): never {
  throw new KvcacheError('ERR', `the server answered ${reply === null ? 'nil' : typeof reply} instead of ${wanted}`);
}
