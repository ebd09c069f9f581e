/**
 * Memory of values that is taken again, in all of a shard: doors, link, engine, hot tier and log. Every byte that comes
 * back must be the one that went in. Memory that is given back is filled with a byte that no value has.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { libraryContext } from '../commands/command.ts';
import { GrpcDoor } from '../doors/grpc/grpc-door.ts';
import { OpenDoor } from '../doors/resp/testing/open-door.ts';
import type { RespClient } from '../doors/resp/testing/resp-client.ts';
import { KVStoreServiceClient, type LookupResponse, type ReadResponse } from '../protos/generated/kvstore.ts';
import { ServedShard } from '../router/testing/cluster.ts';
import { LinkClient } from '../router/testing/link-client.ts';
import { roomyStorage, temporaryFolder } from '../testing/store.ts';
import { systemClock } from './clock.ts';
import { HotTier } from './hot/hot-tier.ts';
import { Engine } from './keyspace/engine.ts';
import { KeyIndex } from './keyspace/key-index.ts';
import { type FileOperations, systemFiles } from './log/files.ts';
import { openStorage } from './storage/storage.ts';
import { ValueMemory } from './value-memory.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const random = (below: number): number => Math.floor(Math.random() * below);

/** Writes late, in parts, and now and then not at all. */
const slowFiles: FileOperations = {
  ...systemFiles,
  writev: async (fd, buffers, position) => {
    await delay(random(10));
    if (random(20) === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    await delay(random(10));
    return systemFiles.writev(fd, buffers.slice(0, 1 + random(buffers.length)), position);
  },
};

class Shard implements AsyncDisposable {
  readonly memory: ValueMemory;
  readonly engine: Engine;
  readonly door: OpenDoor;
  readonly #close: () => Promise<void>;

  private constructor(memory: ValueMemory, engine: Engine, door: OpenDoor, close: () => Promise<void>) {
    this.memory = memory;
    this.engine = engine;
    this.door = door;
    this.#close = close;
  }

  static async open(folder: string, hotBytes: number, files: FileOperations = systemFiles): Promise<Shard> {
    const memory = new ValueMemory({ freeBytesMax: 32 * MiB, fillByte: 0xdb });
    const hot = new HotTier({ limitBytes: hotBytes });
    const index = new KeyIndex(hot, systemClock);
    const storage = await openStorage({ ...roomyStorage(folder, index), fsync: 'everysec', files });
    const engine = new Engine({
      clock: systemClock,
      index,
      hot,
      journal: storage,
      options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: 16 * MiB },
    });
    const door = await OpenDoor.open(engine, { memory });
    return new Shard(memory, engine, door, async () => {
      await door[Symbol.asyncDispose]();
      engine.close();
      await storage.close({ flush: true });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** Tells key and version in every part of it. */
function valueOf(key: string, version: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${key} in its version ${version}; `);
}

async function get(client: RespClient, key: string): Promise<Buffer | undefined> {
  return await bulk(client, await untilDone(client, 'GET', key));
}

async function bulk(client: RespClient, head: string): Promise<Buffer | undefined> {
  if (!head.startsWith('$')) throw new Error(head);
  const length = Number(head.slice(1));
  return length < 0 ? undefined : (await client.take(length + 2)).subarray(0, length);
}

async function expectValue(client: RespClient, key: string, expected: Buffer | undefined): Promise<void> {
  const found = await get(client, key);
  const isRight = expected === undefined ? found === undefined : found?.equals(expected) === true;
  if (!isRight) throw new Error(`${key} is ${found?.subarray(0, 40).toString('latin1')}, ${found?.byteLength} bytes`);
}

/** Until the log goes on. */
async function untilDone(client: RespClient, ...args: (Buffer | string)[]): Promise<string> {
  for (;;) {
    const reply = await client.ask(...args);
    if (!reply.startsWith('-DISKFULL')) return reply;
    await delay(20);
  }
}

/** One client with keys of its own, which knows what each must be. */
async function work(client: RespClient, name: string, steps: number): Promise<Map<string, Buffer>> {
  const model = new Map<string, Buffer>();
  const keyAt = (index: number): string => `${name}-${index}`;
  for (let step = 0; step < steps; step++) {
    const key = keyAt(random(6));
    const value = valueOf(key, step, random(4) === 0 ? 300 * KiB : 20 * KiB + random(400 * KiB));
    const present = model.get(key);
    switch (random(12)) {
      case 0:
      case 1:
      case 2:
        await expectValue(client, key, present);
        break;
      case 3:
        expect(await untilDone(client, 'DEL', key)).toBe(present === undefined ? ':0' : ':1');
        model.delete(key);
        break;
      case 4: {
        const other = keyAt(6 + random(2));
        const isCopied = (await untilDone(client, 'COPY', key, other, 'REPLACE')) === ':1';
        expect(isCopied).toBe(present !== undefined);
        if (present !== undefined) model.set(other, present);
        break;
      }
      case 5: {
        const whole = Buffer.concat([present ?? Buffer.alloc(0), value]);
        if (whole.byteLength > 2 * MiB) break;
        expect(await untilDone(client, 'APPEND', key, value)).toBe(`:${whole.byteLength}`);
        model.set(key, whole);
        break;
      }
      case 6: {
        const other = keyAt(8 + random(2));
        expect(await untilDone(client, 'MSET', key, value, other, value)).toBe('+OK');
        model.set(key, value);
        model.set(other, value);
        break;
      }
      case 7:
        expect(await untilDone(client, 'SET', key, value, 'PX', '600000')).toBe('+OK');
        model.set(key, value);
        break;
      default:
        expect(await untilDone(client, 'SET', key, value)).toBe('+OK');
        model.set(key, value);
    }
  }
  for (let index = 0; index < 10; index++) await expectValue(client, keyAt(index), model.get(keyAt(index)));
  return model;
}

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = temporaryFolder('value-memory');
});
afterEach(() => folder.remove());

it('gives every byte back as it was written, over evictions, a slow and failing log, and a start from disk', async () => {
  const models: Map<string, Buffer>[] = [];
  {
    await using shard = await Shard.open(folder.path, 6 * MiB, slowFiles);
    const names = ['a', 'b', 'c', 'd'];
    const clients = await Promise.all(names.map(() => shard.door.client()));
    models.push(...(await Promise.all(names.map((name, at) => work(clients[at]!, name, 200)))));
    expect(shard.memory.reused).toBeGreaterThan(100);
    expect(shard.engine.stats().evictions.copies).toBeGreaterThan(50);
  }
  await using again = await Shard.open(folder.path, 64 * MiB);
  const client = await again.door.client();
  for (const model of models) for (const [key, value] of model) await expectValue(client, key, value);
});

it('sends what readers asked for, however slowly they read and whatever is written meanwhile', async () => {
  await using shard = await Shard.open(folder.path, 256 * MiB);
  const writer = await shard.door.client();
  const keys = ['key-0', 'key-1', 'key-2', 'key-3'];
  // More than the system's buffers take, and so much that it lies in several records.
  const valueIn = (key: string, version: number): Buffer => valueOf(key, version, 12 * MiB);
  for (const key of keys) await writer.ask('SET', key, valueIn(key, 0));
  const readers = await Promise.all(keys.map(() => shard.door.client()));
  for (const [at, reader] of readers.entries()) {
    reader.socket.pause();
    reader.send('GET', keys[at]!);
  }
  await expect.poll(() => shard.engine.stats().commands.GET).toBe(keys.length);
  for (let version = 1; version < 4; version++) {
    for (const key of keys) expect(await writer.ask('SET', key, valueIn(key, version))).toBe('+OK');
  }
  await expect.poll(() => shard.memory.freeBytes).toBeGreaterThan(0);
  for (const key of keys) expect(await writer.ask('SET', key, valueIn(key, 4))).toBe('+OK');
  expect(shard.memory.reused).toBeGreaterThan(0);
  for (const [at, reader] of readers.entries()) {
    reader.socket.resume();
    expect((await bulk(reader, await reader.line()))?.equals(valueIn(keys[at]!, 0))).toBe(true);
  }
  for (const key of keys) await expectValue(writer, key, valueIn(key, 4));
});

it('gives every byte back that came by a link, in batches, alone and in pieces', async () => {
  await using shard = await Shard.open(folder.path, 8 * MiB, slowFiles);
  const served = await ServedShard.start('shard-0', shard.engine, 0, { memory: shard.memory });
  const client = new LinkClient(served.port);
  await client.state('ready');
  const model = new Map<string, Buffer>();
  const sizes = [5 * KiB, 40 * KiB, 60 * KiB, 100 * KiB, 700 * KiB, 3 * MiB];
  const untilSet = async (key: string, value: Buffer): Promise<void> => {
    for (;;) {
      const args = [Buffer.from(key), value];
      const upload = client.link.beginUpload(1, value.byteLength);
      upload?.push(value);
      const context = libraryContext(30_000);
      const reply = await client.send(upload ? { name: 'SET', args, upload } : { name: 'SET', args }, context);
      upload?.end();
      if (reply === 'OK') return;
      await delay(20);
    }
  };
  const expectRight = async (key: string): Promise<void> => {
    const found = (await client.run('GET', key)) as Buffer;
    if (!found.equals(model.get(key)!)) throw new Error(`${key} is ${found.subarray(0, 40).toString('latin1')}`);
  };
  for (let round = 0; round < 20; round++) {
    // At once, so that small ones share batches.
    const written = sizes.flatMap((bytes, at) => [`one-${at}`, `two-${at}`].map((key) => ({ key, bytes })));
    for (const { key, bytes } of written) model.set(key, valueOf(key, round, bytes));
    await Promise.all(written.map(({ key }) => untilSet(key, model.get(key)!)));
    if (round % 4 === 3) await Promise.all([...model.keys()].map(expectRight));
  }
  expect(shard.memory.reused).toBeGreaterThan(20);
  client.link.close();
  await served.stop();
});

it('gives blocks back as they were written, those that left RAM too', async () => {
  await using shard = await Shard.open(folder.path, 2 * MiB);
  const door = new GrpcDoor({
    host: '127.0.0.1',
    port: 0,
    executor: shard.engine,
    memory: shard.memory,
    config: { get: () => '{}', update: () => undefined },
  });
  const { host, port } = await door.listen();
  const client = new KVStoreServiceClient(`${host}:${port}`, credentials.createInsecure());
  const scope = { accountUrl: 'account', containerName: 'prompts' };
  const call = <Response>(
    begin: (done: (error: Error | null, response: Response) => void) => void,
  ): Promise<Response> =>
    new Promise((resolve, reject) => begin((error, response) => (error ? reject(error) : resolve(response))));
  const promptOf = (block: number): bigint[] => Array.from({ length: 128 }, (_, index) => BigInt(block * 128 + index));
  const bodyOf = (block: number): Buffer => valueOf('block', block, 300 * KiB);
  const names = { partitionKey: 'p', completionId: 'c' };
  for (let block = 0; block < 40; block++) {
    const chunk = { ...names, hash: 7n, parentHash: 0n, buffer: bodyOf(block), tokens: promptOf(block) };
    await call((done) => client.write({ ...scope, chunk }, done));
  }
  expect(shard.memory.reused).toBeGreaterThan(20);
  for (let block = 0; block < 40; block++) {
    const request = { ...scope, ...names, tokens: promptOf(block), precomputedHashes: [7n] };
    const { locations } = await call<LookupResponse>((done) => client.lookup(request, done));
    const { location } = locations[0]!;
    const found = await call<ReadResponse>((done) => client.read({ ...scope, location, completionId: 'c' }, done));
    expect(found.chunk?.buffer.equals(bodyOf(block))).toBe(true);
    expect(found.chunk?.tokens).toEqual(promptOf(block));
  }
  client.close();
  await door.close(0);
});
