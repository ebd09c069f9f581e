/**
 * Typed values, counters and locks over the binary protocol, for programs.
 *
 *     const client = new TypedClient('localhost:6380/shop'); // every key gets the prefix `shop:`
 *     await client.set('stock', 10n, { ttlMs: 60_000 });
 *     const left = await client.decrement('stock', 1n); // 9n
 *     client.close();
 *
 * A pool of connections, over which requests are pipelined. Those about one key go over one connection and take effect
 * in the order in which they were called; others have none. A miss is undefined, for null is a value. Every fault is a
 * CallError with a code of errors.ts. Reads are tried again where a connection was lost; a write is not, for it may have
 * been done.
 */
import { commandCodes, statusCodes } from '../doors/tcp/protocol.ts';
import { KvcacheError } from '../errors.ts';
import { tcpClientCallsMax, tcpClientConnectionsMax } from '../limits.ts';
import { CallError, mayRepeatRead } from './call-error.ts';
import { type ClientTls, deadlineMsOf } from './options.ts';
import { defaultRetryPolicy, type RetryPolicy, withRetry } from './retry.ts';
import { TypedConnection, type TypedResponse, type TypedTarget } from './typed-connection.ts';
import { encodeTyped, shortText, type Typed, TypedReader } from './typed-value.ts';

export interface TypedClientOptions {
  /** Connections of the pool. Default 4. */
  readonly connections?: number | undefined;
  /** Default: that of the environment variable `KV_PASSWORD`; without either none is shown. */
  readonly password?: string | undefined;
  /** Speak TLS, with the authorities that the system trusts (`true`) or with what these files say. */
  readonly tls?: boolean | ClientTls | undefined;
  /** How long a call may take, all attempts included. Default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** How often a read is tried again where its connection was lost. */
  readonly retry?: Partial<RetryPolicy> | undefined;
}

const connectionsDefault = 4;
const portDefault = 6_380;

export class TypedClient {
  /** What stands before every key, colon included; empty without a namespace. */
  readonly prefix: string;
  readonly #connections: readonly TypedConnection[];
  readonly #options: TypedClientOptions;
  #calls = 0;

  /** `address` is host:port or host:port/namespace. Throws KvcacheError CONFIG for one that is none. */
  constructor(address = 'localhost', options: TypedClientOptions = {}) {
    const { target, namespace } = targetOf(address, options);
    const { connections = connectionsDefault } = options;
    if (!(Number.isInteger(connections) && connections > 0 && connections <= tcpClientConnectionsMax)) {
      throw new KvcacheError('CONFIG', `connections is ${connections}; it must be 1 to ${tcpClientConnectionsMax}`);
    }
    this.prefix = namespace === undefined ? '' : `${namespace}:`;
    this.#options = options;
    this.#connections = Array.from({ length: connections }, () => new TypedConnection(target));
  }

  /** The value, or undefined for a miss. */
  async get(key: string): Promise<Typed | undefined> {
    const { status, payload } = await this.#read(commandCodes.GET, key, [this.#key(key)]);
    return status === statusCodes.NULL ? undefined : new TypedReader(payload).value();
  }

  async set(key: string, value: Typed, { ttlMs = 0 }: { readonly ttlMs?: number } = {}): Promise<void> {
    await this.#write(commandCodes.SET, key, [this.#shortKey(key), ttlOf(ttlMs), encodeTyped(value)]);
  }

  /** True if stored; false if there is a value already. */
  async setIfAbsent(key: string, value: Typed, { ttlMs = 0 }: { readonly ttlMs?: number } = {}): Promise<boolean> {
    return flagOf(await this.#write(commandCodes.SETNX, key, [this.#shortKey(key), ttlOf(ttlMs), encodeTyped(value)]));
  }

  /** True if there was a value. */
  async delete(key: string): Promise<boolean> {
    return flagOf(await this.#write(commandCodes.DEL, key, [this.#key(key)]));
  }

  async exists(key: string): Promise<boolean> {
    return flagOf(await this.#read(commandCodes.EXISTS, key, [this.#key(key)]));
  }

  /** The sum, within 64 bits. A key that is not there becomes `delta`. */
  async increment(key: string, delta = 1n): Promise<bigint> {
    const { payload } = await this.#write(commandCodes.INCR, key, [this.#shortKey(key), signed64(delta)]);
    return payload.readBigInt64BE();
  }

  async decrement(key: string, delta = 1n): Promise<bigint> {
    const { payload } = await this.#write(commandCodes.DECR, key, [this.#shortKey(key), signed64(delta)]);
    return payload.readBigInt64BE();
  }

  /** True if the value was `expected` and is `next` now. */
  async compareAndSet(
    key: string,
    expected: Typed,
    next: Typed,
    { ttlMs = 0 }: { readonly ttlMs?: number } = {},
  ): Promise<boolean> {
    const payload = [this.#shortKey(key), encodeTyped(expected), encodeTyped(next), ttlOf(ttlMs)];
    return (await this.#write(commandCodes.CAS, key, payload)).status === statusCodes.OK;
  }

  /** True if the lock is this owner's now, for so long. */
  async lock(key: string, owner: string, ttlMs: number): Promise<boolean> {
    return flagOf(await this.#write(commandCodes.LOCK, key, [this.#shortKey(key), shortText(owner), ttlOf(ttlMs)]));
  }

  /** True if the lock was this owner's and is for so long from now. */
  async extend(key: string, owner: string, ttlMs: number): Promise<boolean> {
    return flagOf(await this.#write(commandCodes.EXTEND, key, [this.#shortKey(key), shortText(owner), ttlOf(ttlMs)]));
  }

  /** True if the lock was this owner's; false if nobody's. Rejects where it is another's. */
  async unlock(key: string, owner: string): Promise<boolean> {
    return flagOf(await this.#write(commandCodes.UNLOCK, key, [this.#shortKey(key), shortText(owner)]));
  }

  /** Values in the order of the keys; null also where there is none, as the protocol has it. */
  async getMany(keys: readonly string[]): Promise<Typed[]> {
    const { payload } = await this.#read(commandCodes.MGET, undefined, this.#many(keys));
    const reader = new TypedReader(payload);
    return Array.from({ length: reader.count() }, () => reader.value());
  }

  async setMany(
    pairs: Iterable<readonly [string, Typed]>,
    { ttlMs = 0 }: { readonly ttlMs?: number } = {},
  ): Promise<void> {
    const fields = [...pairs].map(([key, value]) => [this.#shortKey(key), encodeTyped(value)]);
    await this.#write(commandCodes.MSET, undefined, [countOf(fields.length), ttlOf(ttlMs), ...fields.flat()]);
  }

  /** How many there were. */
  async deleteMany(keys: readonly string[]): Promise<number> {
    return (await this.#write(commandCodes.MDEL, undefined, this.#many(keys))).payload.readUInt32BE();
  }

  async ping(): Promise<void> {
    await this.#read(commandCodes.PING, undefined, []);
  }

  /** What the server tells of itself, such as `shards` and `entries`. */
  async info(): Promise<Readonly<Record<string, unknown>>> {
    const { payload } = await this.#read(commandCodes.INFO, undefined, []);
    return JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
  }

  /** Ends all connections; calls under way are rejected with CANCELLED. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #key(key: string): Buffer {
    return Buffer.from(this.prefix + key, 'utf8');
  }

  #shortKey(key: string): Buffer {
    return shortText(this.prefix + key);
  }

  #many(keys: readonly string[]): Buffer[] {
    return [countOf(keys.length), ...keys.map((key) => this.#shortKey(key))];
  }

  #read(code: number, key: string | undefined, payload: readonly Uint8Array[]): Promise<TypedResponse> {
    const deadlineMs = deadlineMsOf(this.#options, undefined);
    const policy = { ...defaultRetryPolicy, ...this.#options.retry };
    return withRetry(() => this.#ask(code, key, payload, deadlineMs), { policy, deadlineMs, mayRetry: mayRepeatRead });
  }

  #write(code: number, key: string | undefined, payload: readonly Uint8Array[]): Promise<TypedResponse> {
    return this.#ask(code, key, payload, deadlineMsOf(this.#options, undefined));
  }

  async #ask(
    code: number,
    key: string | undefined,
    payload: readonly Uint8Array[],
    deadlineMs: number,
  ): Promise<TypedResponse> {
    if (this.#calls >= tcpClientCallsMax) throw new CallError('TRYAGAIN', 'too many calls are under way', true);
    this.#calls += 1;
    try {
      const response = await within(this.#connectionOf(key).request(code, payload), deadlineMs);
      if (response.status !== statusCodes.ERROR && response.status !== statusCodes.INVALID) return response;
      throw new CallError('ERR', response.payload.toString('utf8'), response.status === statusCodes.INVALID);
    } finally {
      this.#calls -= 1;
    }
  }

  #connectionOf(key: string | undefined): TypedConnection {
    if (key !== undefined) return this.#connections[hashOf(key) % this.#connections.length]!;
    return this.#connections.reduce((least, each) => (each.load < least.load ? each : least));
  }
}

/** The response, or TIMEOUT. A response that comes after it is thrown away in its turn. */
async function within(response: Promise<TypedResponse>, deadlineMs: number): Promise<TypedResponse> {
  const { promise, reject } = Promise.withResolvers<never>();
  const text = 'no response in time; a write may or may not have been done';
  const timer = setTimeout(() => reject(new CallError('TIMEOUT', text, false)), Math.max(0, deadlineMs - Date.now()));
  try {
    return await Promise.race([response, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function targetOf(
  address: string,
  { tls, password = passwordOfEnvironment() }: TypedClientOptions,
): { readonly target: TypedTarget; readonly namespace: string | undefined } {
  const [, bracketed, plain, port, namespace] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+))(?::(\d{1,5}))?(?:\/([^/]*))?$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? portDefault : Number(port);
  if (host === undefined || number > 65_535) {
    throw new KvcacheError('CONFIG', `the address is '${address}'; it must be host:port or host:port/namespace`);
  }
  const target = { host, port: number, tls: tls === true ? {} : tls === false ? undefined : tls, password };
  return { target, namespace: namespace === '' ? undefined : namespace };
}

function passwordOfEnvironment(): string | undefined {
  const password = process.env['KV_PASSWORD'];
  return password === '' ? undefined : password;
}

function hashOf(key: string): number {
  let hash = 0;
  for (let index = 0; index < key.length; index++) hash = (Math.imul(hash, 31) + key.charCodeAt(index)) >>> 0;
  return hash;
}

function flagOf({ payload }: TypedResponse): boolean {
  return payload[0] === 1;
}

function countOf(count: number): Buffer {
  if (count > 0xffff) throw new CallError('ERR', `${count} keys in one call; at most 65535 are allowed`, true);
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(count);
  return bytes;
}

function ttlOf(ttlMs: number): Buffer {
  if (!(Number.isSafeInteger(ttlMs) && ttlMs >= 0)) {
    throw new CallError('ERR', `ttlMs is ${ttlMs}; it must be whole milliseconds, or 0 for none`, true);
  }
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(ttlMs));
  return bytes;
}

function signed64(value: bigint): Buffer {
  if (BigInt.asIntN(64, value) !== value) throw new CallError('ERR', `${value} does not fit 64 bits`, true);
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
