import { Client, credentials, type Metadata, status } from '@grpc/grpc-js';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { libraryContext } from '../../commands/command.ts';
import { ReplyError } from '../../commands/reply.ts';
import { bytesOf } from '../../byte-parts.ts';
import type { MessageParts } from '../../grpc/method.ts';
import { grpcScanReplyBytesMax } from '../../limits.ts';
import {
  GetResponse,
  HealthClient,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type KeyValueServiceClient,
  MGetResponse,
  MSetRequest,
  ScanKeysResponse,
  SetRequest,
} from '../../protos/generated/kv.ts';
import { decodeKeyValues, decodeSet, encodeGet, encodeKeys, encodeKeyValues } from './kv-codec.ts';
import { callUnary, type UnaryMethod } from './testing/call-unary.ts';
import { OpenDoor } from './testing/open-door.ts';

let door: OpenDoor;
let client: KeyValueServiceClient;
let config = '{}';
let isHealthy = true;

beforeEach(async () => {
  config = '{"value":{"disk_threshold":"1MB"}}';
  const runtimeConfig = {
    get: () => config,
    update: (json: string) => {
      if (json === 'wrong') return 'config is no JSON';
      config = json;
      return undefined;
    },
  };
  door = await new OpenDoor({ config: runtimeConfig, isHealthy: () => isHealthy }).open();
  client = door.keyClient();
});
afterEach(() => door.close());

function call<Request, Response>(method: UnaryMethod<Request, Response>, request: Request): Promise<Response> {
  return callUnary(client, method, request);
}

const bytes = (text: string): Buffer => Buffer.from(text);
const done = { success: true, error: '' };

describe('plain keys', () => {
  it('are set, read and deleted', async () => {
    const key = Buffer.from([0, 255, 128]);
    const value = Buffer.alloc(300_000, 'v');
    expect(await call(client.set, { key, value, ttl: undefined })).toEqual(done);
    expect(await call(client.get, { key })).toEqual({ value, found: true, error: '' });
    expect(await call(client.delete, { key })).toEqual(done);
    expect(await call(client.get, { key })).toEqual({ value: Buffer.alloc(0), found: false, error: 'key not found' });
    expect(await call(client.delete, { key })).toEqual(done);
  });

  it('may have an empty value', async () => {
    await call(client.set, { key: bytes('k'), value: Buffer.alloc(0), ttl: undefined });
    expect(await call(client.get, { key: bytes('k') })).toEqual({ value: Buffer.alloc(0), found: true, error: '' });
  });

  it('are set, read and deleted many at once', async () => {
    expect(await call(client.mSet, { keyValues: { a: bytes('1'), b: bytes('2') }, ttl: undefined })).toEqual(done);
    const keys = ['a', 'b', 'c', 'a'].map(bytes);
    expect(await call(client.mGet, { keys })).toEqual({ keyValues: { a: bytes('1'), b: bytes('2') }, error: '' });
    expect(await call(client.mDelete, { keys })).toEqual(done);
    expect(await call(client.mGet, { keys })).toEqual({ keyValues: {}, error: '' });
  });

  it('expire after their ttl in seconds', async () => {
    await call(client.set, { key: bytes('k'), value: bytes('v'), ttl: 90n });
    expect(door.commands[0]!.args.map(String)).toEqual(['k', 'v', 'EX', '90']);
    const before = Date.now();
    await call(client.mSet, { keyValues: { a: bytes('1') }, ttl: 60n });
    const { name, args } = door.commands[1]!;
    expect([name, args.slice(1).map(String)]).toEqual(['MSETEX', ['a', '1']]);
    expect(Math.abs(Number(args[0]) - before - 60_000)).toBeLessThan(5_000);
    await call(client.set, { key: bytes('k'), value: bytes('v'), ttl: 0n });
    expect(door.commands[2]!.args.map(String)).toEqual(['k', 'v']);
  });

  it('are scanned by prefix over all pages', async () => {
    const keyValues = Object.fromEntries(
      Array.from({ length: 2_500 }, (_, index) => [`user:${index}`, bytes(String(index))]),
    );
    await call(client.mSet, { keyValues: { ...keyValues, other: bytes('x') }, ttl: undefined });
    const { keys, error } = await call(client.scanKeys, { prefix: bytes('user:') });
    expect(error).toBe('');
    expect(keys.map(String).sort()).toEqual(Object.keys(keyValues).sort());
    expect(door.count('PREFIXSCAN')).toBeGreaterThanOrEqual(3);
    expect((await call(client.scanKeyValues, { prefix: bytes('user:') })).keyValues).toEqual(keyValues);
    expect((await call(client.scanKeys, { prefix: Buffer.alloc(0) })).keys).toHaveLength(2_501);
    expect(await call(client.scanKeys, { prefix: bytes('nobody:') })).toEqual({ keys: [], error: '' });
  });
});

describe('what is no text', () => {
  beforeEach(async () => {
    await call(client.set, { key: bytes('text'), value: bytes('v'), ttl: undefined });
    const push = { name: 'RPUSH', args: ['list', 'a'].map(bytes) };
    expect(await door.execute(push, libraryContext(1_000))).toBe(1);
  });
  const error = 'Operation against a key holding the wrong kind of value';

  it('is a fault to who asks for it by its key, alone or among others', async () => {
    expect(await call(client.get, { key: bytes('list') })).toMatchObject({ found: false, error });
    for (const keys of [['list'], ['text', 'list'], ['list', 'text']]) {
      expect(await call(client.mGet, { keys: keys.map(bytes) })).toEqual({ keyValues: {}, error });
    }
    expect((await call(client.mGet, { keys: ['text', 'absent'].map(bytes) })).keyValues).toEqual({ text: bytes('v') });
  });

  it('is named by a scan, and left out where values are asked for', async () => {
    expect((await call(client.scanKeys, { prefix: bytes('') })).keys.map(String).sort()).toEqual(['list', 'text']);
    expect(await call(client.scanKeyValues, { prefix: bytes('') })).toEqual({
      keyValues: { text: bytes('v') },
      error: '',
    });
  });
});

describe('faults travel in the body', () => {
  it.each([
    ['Set', () => call(client.set, { key: bytes(''), value: bytes('v'), ttl: undefined }), 'empty key'],
    ['Get', () => call(client.get, { key: bytes('') }), 'empty key'],
    ['Delete', () => call(client.delete, { key: bytes('') }), 'empty key'],
    ['MSet', () => call(client.mSet, { keyValues: {}, ttl: undefined }), 'empty keys'],
    ['MSet', () => call(client.mSet, { keyValues: { '': bytes('v') }, ttl: undefined }), 'empty key'],
    ['MGet', () => call(client.mGet, { keys: [] }), 'empty keys'],
    ['MGet', () => call(client.mGet, { keys: [bytes('a'), bytes('')] }), 'empty key'],
    ['MDelete', () => call(client.mDelete, { keys: [] }), 'empty keys'],
    ['MDelete', () => call(client.mDelete, { keys: [bytes('')] }), 'empty key'],
    ['Set', () => call(client.set, { key: bytes('k'), value: bytes('v'), ttl: -1n }), 'ttl is -1'],
    ['MSet', () => call(client.mSet, { keyValues: { k: bytes('v') }, ttl: -5n }), 'ttl is -5'],
    ['MGet', () => call(client.mGet, { keys: [Buffer.from([0xff])] }), 'not UTF-8'],
  ])('%s says what is wrong and reaches no storage', async (_, faulty, text) => {
    const response = (await faulty()) as { error: string; success?: boolean; found?: boolean };
    expect(response.error).toContain(text);
    expect(response.success ?? response.found ?? false).toBe(false);
    expect(door.commands).toEqual([]);
  });

  it('with their code in the trailers', async () => {
    door.intercept = () => new ReplyError('UNAVAILABLE', 'shard-1 is away');
    const trailers = Promise.withResolvers<Metadata>();
    client
      .set({ key: bytes('k'), value: bytes('v'), ttl: undefined }, (_, response) => {
        expect(response).toEqual({ success: false, error: 'shard-1 is away' });
      })
      .on('status', (end) => trailers.resolve(end.metadata));
    expect((await trailers.promise).get('kvcache-code')).toEqual(['UNAVAILABLE']);
    const away = { error: 'shard-1 is away' };
    expect(await call(client.get, { key: bytes('k') })).toMatchObject({ found: false, ...away });
    expect(await call(client.delete, { key: bytes('k') })).toMatchObject({ success: false, ...away });
    expect(await call(client.mGet, { keys: [bytes('k')] })).toMatchObject(away);
    expect(await call(client.scanKeys, { prefix: bytes('k') })).toMatchObject({ keys: [], ...away });
    expect(await call(client.scanKeyValues, { prefix: bytes('k') })).toMatchObject({ keyValues: {}, ...away });
  });

  it('for a scan too large for one reply, naming ways out', async () => {
    const value = Buffer.alloc(grpcScanReplyBytesMax / 4);
    let page = 0;
    door.intercept = () => [Buffer.alloc(6, ++page), [bytes(`k${page}`), value]];
    const { error, keyValues } = await call(client.scanKeyValues, { prefix: bytes('k') });
    expect(error).toContain('use a longer prefix');
    expect(keyValues).toEqual({});
    expect(page).toBe(4);
  });

  it('for keys that a map of text cannot hold', async () => {
    await call(client.set, { key: Buffer.from([0xff, 1]), value: bytes('v'), ttl: undefined });
    expect((await call(client.scanKeyValues, { prefix: bytes('') })).error).toContain('not UTF-8');
    expect((await call(client.scanKeys, { prefix: bytes('') })).keys).toEqual([Buffer.from([0xff, 1])]);
  });

  it('but bytes that are no message, and a message above 100 MB, end the call', async () => {
    const raw = new Client(door.address, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
    const send = (message: Buffer): Promise<unknown> =>
      new Promise((resolve, reject) => {
        raw.makeUnaryRequest(
          '/kv.KeyValueService/Set',
          (value: Buffer) => value,
          (value) => value,
          message,
          (error, value) => (error ? reject(error) : resolve(value)),
        );
      });
    await expect(send(Buffer.from([0x0a, 0x7f]))).rejects.toMatchObject({ code: status.INTERNAL });
    await expect(send(Buffer.alloc(101_000_000))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    raw.close();
    expect(door.commands).toEqual([]);
  });
});

describe('settings', () => {
  it('are read and changed, and a wrong change is refused in the body', async () => {
    expect(await call(client.getConfig, {})).toEqual({ config: '{"value":{"disk_threshold":"1MB"}}', error: '' });
    expect(await call(client.updateConfig, { config: '{"a":1}' })).toEqual(done);
    expect((await call(client.getConfig, {})).config).toBe('{"a":1}');
    expect(await call(client.updateConfig, { config: 'wrong' })).toEqual({
      success: false,
      error: 'config is no JSON',
    });
  });
});

describe('kv.Health', () => {
  it('answers as the process says', async () => {
    const health = new HealthClient(door.address, credentials.createInsecure());
    const check = (service: string): Promise<number> =>
      new Promise((resolve, reject) => {
        health.check({ service }, (error, response) => (error ? reject(error) : resolve(response.status)));
      });
    expect(await check('')).toBe(ServingStatus.SERVING);
    expect(await check('kv.KeyValueService')).toBe(ServingStatus.SERVING);
    expect(await check('nothing')).toBe(ServingStatus.SERVICE_UNKNOWN);
    isHealthy = false;
    expect(await check('')).toBe(ServingStatus.NOT_SERVING);
    isHealthy = true;
    expect(await check('')).toBe(ServingStatus.SERVING);
    door.door.serving = false;
    expect(await check('')).toBe(ServingStatus.NOT_SERVING);
    health.close();
  });
});

describe('the codec of values', () => {
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(4_095, 4_096, 16_383, 16_384, 70_000).map((length) => new Uint8Array(length).fill(9)),
  );
  const buffer = anyBytes.map((value) => Buffer.from(value));
  const joined = (parts: MessageParts): Buffer =>
    parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts, bytesOf(parts));

  it('reads and writes what the generated code does', () => {
    // The generated decoder puts a map's keys on a plain object, which loses this one; ours keeps pairs.
    const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
    const pairs = fc.uniqueArray(fc.tuple(name, buffer), {
      selector: ([key]) => key,
      maxLength: 9,
    });
    fc.assert(
      fc.property(buffer, buffer, fc.bigInt({ min: -5n, max: 2n ** 40n }), pairs, (key, value, ttl, entries) => {
        expect(decodeSet(Buffer.from(SetRequest.encode({ key, value, ttl }).finish()))).toEqual({ key, value, ttl });
        expect(GetResponse.decode(joined(encodeGet({ value, error: '' })))).toEqual({ value, found: true, error: '' });
        const keyValues = Object.fromEntries(entries);
        const message = decodeKeyValues(Buffer.from(MSetRequest.encode({ keyValues, ttl }).finish()));
        expect(message.ttl).toBe(ttl);
        expect(new Map(message.pairs.map(([name, item]) => [name.toString(), item]))).toEqual(
          new Map(Object.entries(keyValues)),
        );
        const list = entries.map(([name, item]) => [Buffer.from(name), item] as const);
        const answer = MGetResponse.decode(joined(encodeKeyValues({ pairs: list, error: 'e' })));
        expect(new Map(Object.entries(answer.keyValues))).toEqual(new Map(Object.entries(keyValues)));
        expect(answer.error).toBe('e');
        const keys = list.map(([, item]) => item);
        expect(ScanKeysResponse.decode(joined(encodeKeys({ keys, error: '' })))).toEqual({ keys, error: '' });
      }),
      { numRuns: 60 },
    );
  });
});
