/** What one door writes every other reads: all doors over one shard alone, and over a router before three. */
import { credentials, status } from '@grpc/grpc-js';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TypedClient } from '../client/typed-client.ts';
import { type Typed, TypedDecimal } from '../client/typed-value.ts';
import type { Executor } from '../commands/command.ts';
import { GrpcDoor } from '../doors/grpc/grpc-door.ts';
import { callUnary } from '../doors/grpc/testing/call-unary.ts';
import { TestApi } from '../doors/http/testing/api.ts';
import { OpenDoor as OpenRespDoor } from '../doors/resp/testing/open-door.ts';
import { commandCodes } from '../doors/tcp/protocol.ts';
import { TcpDoor } from '../doors/tcp/tcp-door.ts';
import { frame, RawClient, setPayload, value as encoded } from '../doors/tcp/testing/raw-client.ts';
import { KeyValueServiceClient } from '../protos/generated/kv.ts';
import { KeyValueStoreClient } from '../protos/generated/keyvaluestore.ts';
import { KVStoreClient } from '../protos/generated/versionedstore.ts';
import { Cluster } from '../router/testing/cluster.ts';
import { TestExecutor } from '../router/testing/test-executor.ts';
import { Authenticator } from '../security/authenticator.ts';

/** What a door's client finds under a key: its bytes, its text, `undefined` for nothing, or a code for a refusal. */
type Read = (key: string) => Promise<unknown>;
type Write = (key: string, text: string, ttlSeconds?: number) => Promise<unknown>;

/** All doors over one executor, with a client for each. */
class AllDoors {
  readonly grpc: GrpcDoor;
  readonly tcp: TcpDoor;
  readonly executor: Executor;
  api!: TestApi;
  resp!: OpenRespDoor;
  redis!: Redis;
  kv!: KeyValueServiceClient;
  plain!: KeyValueStoreClient;
  versioned!: KVStoreClient;
  typed!: TypedClient;
  tcpAddress = '';

  constructor(executor: Executor) {
    this.executor = executor;
    const config = { get: () => '{}', update: () => undefined };
    this.grpc = new GrpcDoor({ host: '127.0.0.1', port: 0, executor, config });
    this.tcp = new TcpDoor({ host: '127.0.0.1', port: 0, executor, authenticator: new Authenticator() });
  }

  async open(): Promise<void> {
    const grpc = await this.grpc.listen();
    const address = `${grpc.host}:${grpc.port}`;
    this.kv = new KeyValueServiceClient(address, credentials.createInsecure());
    this.plain = new KeyValueStoreClient(address, credentials.createInsecure());
    this.versioned = new KVStoreClient(address, credentials.createInsecure());
    const tcp = await this.tcp.listen();
    this.tcpAddress = `${tcp.host}:${tcp.port}`;
    this.typed = new TypedClient(this.tcpAddress);
    this.resp = await OpenRespDoor.open(this.executor);
    // Its ready check asks for INFO, of which these shards know little.
    this.redis = new Redis(this.resp.port, '127.0.0.1', { enableReadyCheck: false });
    this.api = await TestApi.open({ executor: this.executor });
  }

  async close(): Promise<void> {
    this.typed.close();
    this.redis.disconnect();
    for (const client of [this.kv, this.plain, this.versioned]) client.close();
    await this.resp[Symbol.asyncDispose]();
    await this.tcp.close(0);
    await this.grpc.close(0);
    await this.api.close();
  }

  readonly writers: Readonly<Record<string, Write>> = {
    RESP: (key, text, ttl) => (ttl === undefined ? this.redis.set(key, text) : this.redis.set(key, text, 'EX', ttl)),
    S1: (key, text, ttl) =>
      callUnary(this.kv, this.kv.set, {
        key: Buffer.from(key),
        value: Buffer.from(text),
        ttl: ttl === undefined ? undefined : BigInt(ttl),
      }),
    S2: async (key, text, ttl) => {
      await callUnary(this.plain, this.plain.set, { key: Buffer.from(key), value: Buffer.from(text) });
      if (ttl !== undefined) await callUnary(this.plain, this.plain.expire, { key: Buffer.from(key), seconds: ttl });
    },
    S3: (key, text, ttl = 0) => this.typed.set(key, text, { ttlMs: ttl * 1_000 }),
    'S3 bytes': (key, text, ttl = 0) => this.typed.set(key, Buffer.from(text), { ttlMs: ttl * 1_000 }),
    S4: (key, text, ttl = 0) =>
      callUnary(this.versioned, this.versioned.put, {
        key,
        value: Buffer.from(text),
        ttlMs: BigInt(ttl * 1_000),
        consistencyR: 2,
        consistencyW: 2,
        clientId: '',
        requestId: '',
        version: undefined,
      }),
    HTTP: (key, text, ttl = 0) => this.api.ask('POST', '/api/v1/set', { key, value: text, ttl }),
  };

  /** Doors that show every value as text. */
  readonly readers: Readonly<Record<string, Read>> = {
    RESP: async (key) => (await this.redis.get(key)) ?? undefined,
    S1: async (key) => {
      const { found, value, error } = await callUnary(this.kv, this.kv.get, { key: Buffer.from(key) });
      return found ? value.toString() : error === 'key not found' ? undefined : error;
    },
    S2: async (key) => {
      const { found, value } = await callUnary(this.plain, this.plain.get, { key: Buffer.from(key) });
      return found ? value.toString() : undefined;
    },
    S4: async (key) => (await this.version(key))?.value.toString(),
  };

  async version(key: string): Promise<{ value: Buffer; version: Record<string, number> } | undefined> {
    const request = { key, consistencyR: 1, clientId: '', requestId: '' };
    const { value } = await callUnary(this.versioned, this.versioned.get, request);
    if (value === undefined) return undefined;
    const entries = value.version?.entries ?? [];
    return {
      value: value.value,
      version: Object.fromEntries(entries.map(({ nodeId, counter }) => [nodeId, Number(counter)])),
    };
  }

  async http(key: string): Promise<unknown> {
    const { status: answered, body } = await this.api.ask('GET', `/api/v1/get/${encodeURIComponent(key)}`);
    return answered === 200 ? (body as { value: unknown }).value : answered === 404 ? undefined : answered;
  }
}

const places: [string, () => Promise<{ executor: Executor; stop: () => Promise<void> | void }>][] = [
  [
    'one shard alone',
    () => {
      const executor = new TestExecutor('shard-0');
      return Promise.resolve({ executor, stop: () => executor.close() });
    },
  ],
  [
    'a router before three shards',
    async () => {
      const cluster = await Cluster.start(3);
      return { executor: cluster.router, stop: () => cluster.stop() };
    },
  ],
];

describe.each(places)('doors of %s', (_, start) => {
  let place: Awaited<ReturnType<typeof start>>;
  let doors: AllDoors;
  let number = 0;
  let key: string;
  beforeAll(async () => {
    place = await start();
    doors = new AllDoors(place.executor);
    await doors.open();
  });
  beforeEach(() => {
    number += 1;
    key = `schlüssel ${number}`;
  });
  afterAll(async () => {
    await doors.close();
    await place.stop();
  });

  it.each(['RESP', 'S1', 'S2', 'S3', 'S3 bytes', 'S4', 'HTTP'])('read what %s writes', async (writer) => {
    await doors.writers[writer]!(key, 'grün\r\n');
    for (const [reader, read] of Object.entries(doors.readers)) {
      expect([reader, await read(key)]).toEqual([reader, 'grün\r\n']);
    }
    expect(await doors.http(key)).toBe('grün\r\n');
    const typed = await doors.typed.get(key);
    expect(typed).toEqual(writer === 'S3' ? 'grün\r\n' : Buffer.from('grün\r\n'));
  });

  it.each(['RESP', 'S1', 'S2', 'S3', 'S3 bytes', 'S4', 'HTTP'])(
    'agree on the expiry that %s gives, and that a new value has none',
    async (writer) => {
      await doors.writers[writer]!(key, 'v', 100);
      expect(await doors.redis.ttl(key)).toBeGreaterThan(95);
      const { seconds } = await callUnary(doors.plain, doors.plain.ttl, { key: Buffer.from(key) });
      expect(seconds).toBeGreaterThan(95);
      await doors.writers[writer]!(key, 'v');
      expect(await doors.redis.ttl(key)).toBe(-1);
    },
  );

  it.each(['RESP', 'S1', 'S2', 'S3', 'S4', 'HTTP'])('find nothing of what %s deletes', async (door) => {
    await doors.writers['S4']!(key, 'v');
    const bytes = Buffer.from(key);
    const removals: Record<string, () => Promise<unknown>> = {
      RESP: () => doors.redis.del(key),
      S1: () => callUnary(doors.kv, doors.kv.delete, { key: bytes }),
      S2: () => callUnary(doors.plain, doors.plain.delete, { key: bytes }),
      S3: () => doors.typed.delete(key),
      S4: () =>
        callUnary(doors.versioned, doors.versioned.delete, {
          key,
          consistencyR: 1,
          consistencyW: 1,
          clientId: '',
          requestId: '',
          version: undefined,
        }),
      HTTP: () => doors.api.ask('DELETE', `/api/v1/delete/${encodeURIComponent(key)}`),
    };
    await removals[door]!();
    for (const [reader, read] of Object.entries(doors.readers))
      expect([reader, await read(key)]).toEqual([reader, undefined]);
    expect(await doors.http(key)).toBeUndefined();
    expect(await doors.typed.get(key)).toBeUndefined();
  });

  /** Typed, as text, and in HTTP's JSON where that is another. */
  const shown: [string, Typed, string, unknown?][] = [
    ['Null', null, '', null],
    ['Int', -(2n ** 63n), '-9223372036854775808'],
    ['Float', 0.1, '0.1'],
    ['Decimal', new TypedDecimal('1.500000000000000000000000000001'), '1.500000000000000000000000000001'],
    ['Bool', true, 'true'],
    ['List', [1n, 'zwei', [null]], '[1,"zwei",[null]]', [1, 'zwei', [null]]],
    ['Map', new Map<string, Typed>([['a', 1n]]), '{"a":1}', { a: 1 }],
  ];
  it.each(shown)('show an S3 %s as it is or as text', async (_type, typed, text, json = text) => {
    await doors.typed.set(key, typed);
    expect(await doors.typed.get(key)).toEqual(typed);
    for (const [reader, read] of Object.entries(doors.readers))
      expect([reader, await read(key)]).toEqual([reader, text]);
    expect(await doors.http(key)).toEqual(json);
  });

  it('show what INCR has counted as a string', async () => {
    expect(await doors.redis.incrby(key, 42)).toBe(42);
    for (const [reader, read] of Object.entries(doors.readers))
      expect([reader, await read(key)]).toEqual([reader, '42']);
    expect(await doors.http(key)).toBe('42');
    expect(await doors.typed.get(key)).toEqual(Buffer.from('42'));
  });

  it('show collections to those who can', async () => {
    await doors.redis.hset(`${key}h`, 'field', 'value');
    await doors.redis.rpush(`${key}l`, 'a', 'b');
    await doors.redis.sadd(`${key}s`, 'member');
    await doors.redis.zadd(`${key}z`, 1.5, 'member');
    const bytes = Buffer.from;
    expect(await doors.typed.get(`${key}h`)).toEqual(new Map([['field', bytes('value')]]));
    expect(await doors.typed.get(`${key}l`)).toEqual([bytes('a'), bytes('b')]);
    expect(await doors.typed.get(`${key}s`)).toEqual([bytes('member')]);
    expect(await doors.typed.get(`${key}z`)).toEqual([[bytes('member'), 1.5]]);
    expect(await doors.http(`${key}h`)).toEqual({ field: 'value' });
    expect(await doors.http(`${key}l`)).toEqual(['a', 'b']);
    expect(await doors.http(`${key}s`)).toEqual(['member']);
    expect(await doors.http(`${key}z`)).toEqual([['member', 1.5]]);
    for (const kind of ['h', 'l', 's', 'z']) {
      expect(await doors.readers['S1']!(key + kind)).toMatch(/wrong kind/);
      for (const reader of ['S2', 'S4']) {
        await expect(doors.readers[reader]!(key + kind)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
      }
      await expect(doors.typed.increment(key + kind)).rejects.toThrow(/wrong kind/);
    }
  });

  it('count on the same number and keep its kind', async () => {
    await doors.typed.set(key, 40n);
    expect(await doors.redis.incr(key)).toBe(41);
    expect(await doors.typed.increment(key)).toBe(42n);
    expect(await doors.typed.get(key)).toBe(42n);
    await doors.redis.set(key, '1');
    expect(await doors.typed.increment(key)).toBe(2n);
    expect(await doors.typed.get(key)).toEqual(Buffer.from('2'));
    await doors.redis.set(key, 'word');
    await expect(doors.typed.increment(key)).rejects.toThrow(/wrong kind/);
  });

  it('leave S4’s clients a clock that says who wrote', async () => {
    await doors.redis.set(key, 'unversioned');
    expect(await doors.version(key)).toEqual({ value: Buffer.from('unversioned'), version: {} });
    await doors.writers['S4']!(key, 'first');
    for (const writer of ['RESP', 'S1', 'S2', 'S3', 'HTTP']) await doors.writers[writer]!(key, writer);
    expect(await doors.version(key)).toEqual({ value: Buffer.from('HTTP'), version: { 'node-0': 6 } });
  });

  it('answer a pipeline over many keys in order, each command after those before it on its key', async () => {
    const raw = await RawClient.open(doors.tcpAddress);
    for (let round = 0; round < 200; round++) {
      const name = `${key} ${round % 7}`;
      raw.send(frame(commandCodes.SET, setPayload(name, encoded.int(BigInt(round)))), frame(commandCodes.GET, name));
    }
    for (let round = 0; round < 200; round++) {
      expect(await raw.response()).toEqual([0, Buffer.alloc(0)]);
      expect(await raw.response()).toEqual([0, encoded.int(BigInt(round))]);
    }
    raw.close();
  });
});
