import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chainedHashes, unchainedHashes } from '../../client/hash.ts';
import { ReplyError } from '../../commands/reply.ts';
import { type ErrorCode, errorCodes } from '../../errors.ts';
import { grpcMessageBytesMax, partitionKeyBytesMax } from '../../limits.ts';
import type {
  KVStoreServiceClient,
  LookupRequest,
  LookupResponse,
  PromptChunk,
  ReadRequest,
  ReadResponse,
  WriteRequest,
  WriteResponse,
} from '../../protos/generated/kvstore.ts';
import { WriteRequest as WriteRequestCodec } from '../../protos/generated/kvstore.ts';
import { until } from '../../testing/until.ts';
import { LocationEncoder, locationScope } from './location.ts';
import { statusOfError } from './status-of-error.ts';
import { OpenDoor } from './testing/open-door.ts';

let door: OpenDoor;
let client: KVStoreServiceClient;

beforeEach(async () => {
  door = await new OpenDoor().open();
  client = door.blockClient();
});
afterEach(() => door.close());

const scope = { accountUrl: 'https://account.blob.core.windows.net', containerName: 'prompts' };
const prompt = Array.from({ length: 3 * 128 + 50 }, (_, index) => BigInt(index * 7 + 1));
const hashes = chainedHashes(prompt);

function chunkOf(block: number, parts: Partial<PromptChunk> = {}): PromptChunk {
  return {
    hash: hashes[block]!,
    parentHash: hashes[block - 1] ?? 0n,
    partitionKey: 'p',
    buffer: Buffer.alloc(50_000, block),
    tokens: prompt.slice(block * 128, (block + 1) * 128),
    completionId: 'c',
    ...parts,
  };
}

function lookup(parts: Partial<LookupRequest> = {}, metadata = new Metadata()): Promise<LookupResponse> {
  const request = { ...scope, partitionKey: 'p', completionId: 'c', tokens: prompt, precomputedHashes: [], ...parts };
  return new Promise((resolve, reject) => {
    client.lookup(request, metadata, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

function write(parts: Partial<WriteRequest> = {}, metadata = new Metadata()): Promise<WriteResponse> {
  return new Promise((resolve, reject) => {
    client.write({ ...scope, chunk: chunkOf(0), ...parts }, metadata, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

function read(location: string, parts: Partial<ReadRequest> = {}): Promise<ReadResponse> {
  return new Promise((resolve, reject) => {
    client.read({ ...scope, location, completionId: 'c', ...parts }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

async function faultOf(call: Promise<unknown>): Promise<ServiceError> {
  const fault = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (fault === undefined) throw new Error('expected a fault');
  return fault as ServiceError;
}

async function writeAll(): Promise<void> {
  for (let block = 0; block < 3; block++) await write({ chunk: chunkOf(block) });
}

describe('blocks', () => {
  it('are found and read again exactly as they were written', async () => {
    await writeAll();
    const found = await lookup({ precomputedHashes: hashes });
    expect(found).toMatchObject({ cachedBlocks: 3, lastHash: hashes[2], error: '', success: true });
    expect(found.locations.map(({ hash }) => hash)).toEqual(hashes);
    for (const [block, { location }] of found.locations.entries()) {
      expect(await read(location)).toMatchObject({ found: true, success: true, error: '', chunk: chunkOf(block) });
    }
    expect(await lookup()).toMatchObject({ cachedBlocks: 3, lastHash: hashes[2] });
    expect(door.count('BLOCK.VERSIONS')).toBe(2);
  });

  it('are apart by account, container and partition', async () => {
    await writeAll();
    expect((await lookup({ partitionKey: 'q' })).cachedBlocks).toBe(0);
    expect((await lookup({ containerName: 'other' })).cachedBlocks).toBe(0);
    expect((await lookup({ accountUrl: 'other' })).cachedBlocks).toBe(0);
  });

  it('may have no partition, no buffer, and any 64-bit tokens', async () => {
    const tokens = Array.from({ length: 128 }, (_, index) => (index % 2 === 0 ? -1n : 2n ** 63n - 1n) - BigInt(index));
    const chunk = chunkOf(0, { partitionKey: '', tokens, buffer: Buffer.alloc(0) });
    await write({ chunk });
    const found = await lookup({ partitionKey: '', tokens });
    expect((await read(found.locations[0]!.location)).chunk).toEqual(chunk);
  });

  it('are never joined with those of another chain', async () => {
    const [a, b] = unchainedHashes(prompt);
    await write({ chunk: chunkOf(0, { hash: a! }) });
    await write({ chunk: chunkOf(1, { hash: b!, parentHash: 99n }) });
    expect(await lookup()).toMatchObject({ cachedBlocks: 1, lastHash: a });
    await write({ chunk: chunkOf(1, { hash: b!, parentHash: a! }) });
    expect(await lookup()).toMatchObject({ cachedBlocks: 2, lastHash: b });
  });

  it('of less than 128 tokens are none, and that is no fault', async () => {
    expect(await lookup({ tokens: prompt.slice(0, 127) })).toMatchObject({
      cachedBlocks: 0,
      success: true,
      lastHash: 0n,
    });
    expect(door.commands).toEqual([]);
  });

  it('that are not there are read as found=false, success=true', async () => {
    const digest = Buffer.alloc(20, 3);
    const encoder = new LocationEncoder(locationScope(scope.accountUrl, scope.containerName), 'p');
    const location = encoder.encode({ digest, hash: 1n, parent: 0n });
    expect(await read(location)).toMatchObject({ found: false, success: true, error: '', chunk: undefined });
  });

  it('of a long prompt are looked up with one command', async () => {
    const tokens = Array.from({ length: 128 * 1500 }, (_, index) => BigInt(index));
    expect((await lookup({ tokens })).cachedBlocks).toBe(0);
    expect(door.commands.map(({ name, args }) => [name, args.length])).toEqual([['BLOCK.VERSIONS', 3000]]);
    expect(door.commands[0]!.args[2999]!.toString()).toBe('1499');
  });
});

describe('a wrong request', () => {
  const longPartition = 'p'.repeat(partitionKeyBytesMax + 1);
  const cases: [string, () => Promise<unknown>, string][] = [
    ['Lookup without account', () => lookup({ accountUrl: '' }), 'account_url is required'],
    ['Lookup without container', () => lookup({ containerName: '' }), 'container_name is required'],
    ['Lookup without tokens', () => lookup({ tokens: [] }), 'tokens list cannot be empty'],
    ['Lookup in too long a partition', () => lookup({ partitionKey: longPartition }), 'partition_key has 4097 bytes'],
    ['Write without account', () => write({ accountUrl: '' }), 'account_url is required'],
    ['Write without container', () => write({ containerName: '' }), 'container_name is required'],
    ['Write without chunk', () => write({ chunk: undefined }), 'chunk is required'],
    ['Write without tokens', () => write({ chunk: chunkOf(0, { tokens: [] }) }), 'tokens list cannot be empty'],
    [
      'Write of 127 tokens',
      () => write({ chunk: chunkOf(0, { tokens: prompt.slice(0, 127) }) }),
      'a chunk has 128 tokens, not 127',
    ],
    [
      'Write in too long a partition',
      () => write({ chunk: chunkOf(0, { partitionKey: longPartition }) }),
      'partition_key has 4097 bytes',
    ],
    ['Read without account', () => read('x', { accountUrl: '' }), 'account_url is required'],
    ['Read without container', () => read('x', { containerName: '' }), 'container_name is required'],
    ['Read without location', () => read(''), 'location is required'],
    ['Read of nonsense', () => read('nonsense!'), 'not base64url'],
    ['Read of the former form', () => read(Buffer.alloc(512).toString('base64url')), 'holds only tokens'],
  ];

  it.each(cases)('%s is INVALID_ARGUMENT and reaches no storage', async (_, call, text) => {
    const fault = await faultOf(call());
    expect(fault.code).toBe(status.INVALID_ARGUMENT);
    expect(fault.details).toContain(text);
    expect(fault.metadata.get('kvcache-code')).toEqual(['ERR']);
    expect(door.commands).toEqual([]);
  });

  it('with a location of another account or container, or a damaged one, is INVALID_ARGUMENT', async () => {
    await writeAll();
    const { location } = (await lookup()).locations[1]!;
    const elsewhere = await faultOf(read(location, { containerName: 'other' }));
    expect(elsewhere).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(elsewhere.details).toContain('another account_url or container_name');
    const damaged = `${location.slice(0, 20)}${location[20] === 'A' ? 'B' : 'A'}${location.slice(21)}`;
    expect(await faultOf(read(damaged))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(door.count('BLOCK.GET')).toBe(0);
  });

  it('with an acknowledgement that there is none of is INVALID_ARGUMENT', async () => {
    const metadata = new Metadata();
    metadata.set('kvcache-acknowledgement', 'paper');
    expect(await faultOf(write({}, metadata))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(door.commands).toEqual([]);
  });

  it('of 101 MB is RESOURCE_EXHAUSTED, and nothing is stored', async () => {
    const fault = await faultOf(write({ chunk: chunkOf(0, { buffer: Buffer.alloc(101_000_000) }) }));
    expect(fault.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(fault.details).toContain(`larger than max`);
    expect(door.commands).toEqual([]);
    expect((await lookup()).cachedBlocks).toBe(0);
  });

  it('of bytes that are no message is INTERNAL', async () => {
    const broken = new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/kvstore.KVStoreService/Write',
        () => Buffer.from([0x1a, 0xff, 0xff]),
        (bytes) => bytes,
        undefined,
        (error, value) => (error ? reject(error) : resolve(value)),
      );
    });
    expect((await faultOf(broken)).code).toBe(status.INTERNAL);
    expect(door.commands).toEqual([]);
  });
});

it('a message of exactly 100 MB is taken', async () => {
  const frame = WriteRequestCodec.encode({ ...scope, chunk: chunkOf(0, { buffer: Buffer.alloc(2 ** 21) }) }).finish();
  const around = frame.byteLength - 2 ** 21;
  // Both lengths take four bytes as varints, so what is around the buffer stays the same size.
  const buffer = Buffer.alloc(grpcMessageBytesMax - around, 'x');
  await write({ chunk: chunkOf(0, { buffer }) });
  const { locations } = await lookup();
  expect((await read(locations[0]!.location)).chunk?.buffer.equals(buffer)).toBe(true);
  await expect(
    write({ chunk: chunkOf(1, { buffer: Buffer.concat([buffer, Buffer.from('y')]) }) }),
  ).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});

it('unknown fields are no fault, and those of a chunk come back', async () => {
  const unknown = Buffer.from([0xfa, 0x06, 0x02, 0x68, 0x69]);
  const known = Buffer.from(WriteRequestCodec.encode({ ...scope, chunk: chunkOf(0) }).finish());
  await new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/kvstore.KVStoreService/Write',
      () => Buffer.concat([known, unknown]),
      (bytes) => bytes,
      undefined,
      (error, value) => (error ? reject(error) : resolve(value)),
    );
  });
  expect((await lookup()).cachedBlocks).toBe(1);
});

describe('a fault of storage', () => {
  it.each(Object.keys(errorCodes) as ErrorCode[])('%s becomes its status and travels by name', async (code) => {
    door.intercept = () => new ReplyError(code, `it was ${code}`);
    for (const call of [lookup, write]) {
      const fault = await faultOf(call());
      expect(fault).toMatchObject({ code: statusOfError[code], details: `it was ${code}` });
      expect(fault.metadata.get('kvcache-code')).toEqual([code]);
    }
  });

  it('within a lookup fails the lookup: a shorter prefix would be a lie', async () => {
    door.intercept = () => [Buffer.alloc(16), new ReplyError('UNAVAILABLE', 'shard-2 is away'), null];
    expect(await faultOf(lookup())).toMatchObject({ code: status.UNAVAILABLE, details: 'shard-2 is away' });
  });
});

describe('what travels beside a call', () => {
  it('is the request id, back in the trailers whatever the outcome', async () => {
    const metadata = new Metadata();
    metadata.set('request-id', 'r-17');
    const trailers = new Promise<Metadata>((resolve, reject) => {
      client
        .lookup(
          { ...scope, partitionKey: '', completionId: '', tokens: [1n], precomputedHashes: [] },
          metadata,
          (error) => (error ? reject(error) : undefined),
        )
        .on('status', (end) => resolve(end.metadata));
    });
    expect((await trailers).get('request-id')).toEqual(['r-17']);
    expect((await faultOf(lookup({ tokens: [] }, metadata))).metadata.get('request-id')).toEqual(['r-17']);
  });

  it('is the acknowledgement that a write asks for, and the deadline', async () => {
    const metadata = new Metadata();
    metadata.set('kvcache-acknowledgement', 'disk');
    door.intercept = () => 'OK';
    await write({}, metadata);
    expect(door.contexts[0]).toMatchObject({ acknowledgement: 'disk', session: { door: 'grpc' } });
    const deadline = Date.now() + 20_000;
    await new Promise<void>((resolve, reject) => {
      client.write({ ...scope, chunk: chunkOf(1) }, new Metadata(), { deadline }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
    expect(Math.abs(door.contexts[1]!.deadlineMs - deadline)).toBeLessThan(1_000);
  });

  it('is the real time that storage and the whole call took', async () => {
    const slow = (): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), 30));
    door.intercept = ({ name }) => (name === 'BLOCK.GET' ? slow() : undefined);
    const scoped = locationScope(scope.accountUrl, scope.containerName);
    const { serverMetrics } = await read(
      new LocationEncoder(scoped, '').encode({ digest: Buffer.alloc(20), hash: 1n, parent: 0n }),
    );
    const { storageLatencyUs, totalLatencyUs, overheadUs } = serverMetrics!;
    expect(storageLatencyUs).toBeGreaterThan(25_000n);
    expect(storageLatencyUs + overheadUs).toBe(totalLatencyUs);
    expect((await write()).serverMetrics!.totalLatencyUs).toBeGreaterThan(0n);
  });
});

describe('StreamingRead', () => {
  it('answers in the order of the requests, however long each takes', async () => {
    await writeAll();
    const { locations } = await lookup();
    let reads = 0;
    door.intercept = (command) => {
      if (command.name !== 'BLOCK.GET' || reads++ % 3 !== 0) return undefined;
      return new Promise((resolve) => setTimeout(() => resolve(null), 5));
    };
    const stream = client.streamingRead();
    const answers: (number | undefined)[] = [];
    stream.on('data', (response: ReadResponse) => answers.push(response.chunk?.buffer[0]));
    for (let index = 0; index < 90; index++) {
      stream.write({ ...scope, location: locations[index % 3]!.location, completionId: '' });
    }
    stream.end();
    await new Promise((resolve) => stream.on('end', resolve));
    expect(answers).toEqual(Array.from({ length: 90 }, (_, index) => (index % 3 === 0 ? undefined : index % 3)));
  });

  it('answers each request as it comes, and a wrong one in its place', async () => {
    await writeAll();
    const { locations } = await lookup();
    const stream = client.streamingRead();
    const next = (location: string): Promise<ReadResponse> => {
      stream.write({ ...scope, location, completionId: '' });
      return new Promise((resolve) => stream.once('data', resolve));
    };
    expect(await next(locations[0]!.location)).toMatchObject({ found: true, success: true });
    expect(await next('')).toMatchObject({ found: false, success: false, error: 'location is required' });
    door.intercept = () => new ReplyError('UNAVAILABLE', 'away');
    expect(await next(locations[1]!.location)).toMatchObject({ success: false, error: 'away' });
    door.intercept = () => undefined;
    expect(await next(locations[2]!.location)).toMatchObject({ found: true });
    stream.end();
    await new Promise((resolve) => stream.on('end', resolve));
  });

  it('ends with a client that vanishes', async () => {
    await writeAll();
    const { locations } = await lookup();
    const waiting = Promise.withResolvers<null>();
    door.intercept = () => waiting.promise;
    const stream = client.streamingRead();
    stream.on('error', () => undefined);
    for (let index = 0; index < 40; index++) {
      stream.write({ ...scope, location: locations[0]!.location, completionId: '' });
    }
    await until(() => door.count('BLOCK.GET') === 16);
    stream.cancel();
    await until(() => door.door.statistics.streams === 0);
    expect(door.contexts.at(-1)!.signal?.aborted).toBe(true);
    waiting.resolve(null);
    await until(() => door.door.statistics.bytesInFlight === 0);
    expect(door.count('BLOCK.GET')).toBe(16);
  });
});

it('a client that vanishes inside a write leaves nothing behind', async () => {
  const message = WriteRequestCodec.encode({ ...scope, chunk: chunkOf(0) }).finish();
  const prefix = Buffer.from([0, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.byteLength, 1);
  for (const end of ['half', 'all but the half-close']) {
    const socket = connectTcp(Number(door.address.split(':')[1]), '127.0.0.1');
    const session = connectHttp2(`http://${door.address}`, { createConnection: () => socket });
    session.on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/kvstore.KVStoreService/Write',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.write(prefix);
    stream.write(end === 'half' ? message.subarray(0, message.byteLength / 2) : message);
    await until(() => door.door.statistics.bytesInFlight > 10_000);
    socket.resetAndDestroy();
    await until(() => door.door.statistics.connections === 0);
    expect(door.door.statistics).toMatchObject({ streams: 0, bytesInFlight: 0 });
  }
  expect(door.commands).toEqual([]);
  expect((await lookup()).cachedBlocks).toBe(0);
});
