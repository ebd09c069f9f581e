import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { libraryContext } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { GrpcChannel } from '../grpc/client.ts';
import { grpcStatus, type StreamEnd } from '../grpc/status.ts';
import type { LinkServerOptions } from './server.ts';
import { SecretSet } from '../security/secrets.ts';
import { ServedShard } from '../router/testing/cluster.ts';
import { LinkClient } from '../router/testing/link-client.ts';
import { TestExecutor } from '../router/testing/test-executor.ts';
import { CommandBatch, decodeReplies } from './batch.ts';
import { exchange, laneHeader, sessionHeader } from './lane.ts';
import type { ShardLinkOptions } from './shard-link.ts';

const MiB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(executor = new TestExecutor('shard-0'), options: Partial<LinkServerOptions> = {}, port = 0) {
  const shard = await ServedShard.start('shard-0', executor, port, options);
  cleanups.push(() => shard.crash());
  return { executor, shard };
}

function connect(port: number, options: Partial<ShardLinkOptions> = {}): LinkClient {
  const client = new LinkClient(port, options);
  cleanups.push(() => client.link.close());
  return client;
}

async function spawnShard(port = 0): Promise<{ child: ChildProcess; port: number }> {
  const script = new URL('../router/testing/shard-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, 'shard-0', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: Number(line.toString()) };
}

/** A command that the shard never answers. */
const never = (): Promise<Reply> => new Promise(() => undefined);

describe('batches', () => {
  test('commands of one tick share one, and each gets its own reply', async () => {
    const { shard } = await serve();
    const client = connect(shard.port);
    await client.state('ready');
    const numbers = Array.from({ length: 1_000 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => client.run('SET', number, `value ${number}`)));
    expect(client.link.stats().batches).toBe(1);
    const replies = await Promise.all(numbers.map((number) => client.run('GET', number)));
    expect(replies.map(String)).toEqual(numbers.map((number) => `value ${number}`));
    expect(client.link.stats()).toMatchObject({ batches: 2, commands: 2_000, inFlight: 0, inFlightBytes: 0 });
    expect(client.link.stats().latency.count).toBe(2_000);
  });

  test('values of every size come back as they were', async () => {
    const { shard } = await serve();
    const client = connect(shard.port);
    const size = fc.oneof(fc.nat(200), fc.nat(100_000), fc.nat(3 * MiB));
    await fc.assert(
      fc.asyncProperty(fc.array(size, { maxLength: 12 }), async (sizes) => {
        const values = sizes.map((length, index) => Buffer.alloc(length, index + 1));
        const written = values.map((value, index) => client.run('SET', String(index), value));
        expect(await Promise.all(written)).toEqual(values.map(() => 'OK'));
        const read = await Promise.all(values.map((_, index) => client.run('GET', String(index))));
        expect(read.every((reply, index) => values[index]!.equals(reply as Buffer))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test('async replies come in any order and sync ones do not wait for them', async () => {
    const { executor, shard } = await serve();
    const slow = Promise.withResolvers<Reply>();
    executor.intercept = ({ args }) => (args[0]!.toString() === 'slow' ? slow.promise : undefined);
    const client = connect(shard.port);
    const order: string[] = [];
    const late = client.run('GET', 'slow').then((reply) => order.push(`slow ${reply as string}`));
    await client.run('GET', 'fast').then(() => order.push('fast'));
    slow.resolve('done');
    await late;
    expect(order).toEqual(['fast', 'slow done']);
  });

  test('epoch and acknowledgement arrive, and a deadline on the shard is the time that was left', async () => {
    const { executor, shard } = await serve();
    const client = connect(shard.port);
    await client.runAt('blob', 'GET', 'key');
    expect(executor.lastContext).toMatchObject({ epoch: 1, acknowledgement: 'blob' });
    await client.runWith(libraryContext(1_000_000_000), 'GET', 'key');
    expect(executor.lastContext!.deadlineMs - Date.now()).toBeLessThanOrEqual(600_000);
  });
});

describe('large values', () => {
  test('on their way to the shard hold up no small command', async () => {
    const { shard } = await serve();
    const client = connect(shard.port);
    await client.state('ready');
    const order: string[] = [];
    const large = Array.from({ length: 10 }, (_, index) =>
      client.run('SET', `large-${index}`, Buffer.alloc(8 * MiB)).then(() => order.push('large')),
    );
    const small = Array.from({ length: 500 }, (_, index) =>
      client.run('SET', `small-${index}`, Buffer.alloc(100)).then(() => order.push('small')),
    );
    await Promise.all([...large, ...small]);
    expect(order.lastIndexOf('small')).toBeLessThan(order.lastIndexOf('large'));
    expect(order.slice(0, 500)).not.toContain('large');
  });

  test('on their way back hold up no small reply, although their requests are small', async () => {
    const { shard } = await serve();
    const client = connect(shard.port);
    await client.run('MSET', 'large', Buffer.alloc(8 * MiB, 7), 'small', Buffer.alloc(100));
    const order: string[] = [];
    const replies: Promise<unknown>[] = [];
    for (let index = 0; index < 10; index++) {
      const large = client.run('GET', 'large').then((reply) => {
        order.push('large');
        expect((reply as Buffer).byteLength).toBe(8 * MiB);
      });
      const small = Array.from({ length: 50 }, () => client.run('GET', 'small').then(() => order.push('small')));
      replies.push(large, ...small);
    }
    await Promise.all(replies);
    expect(order.slice(0, 500)).not.toContain('large');
  });
});

describe('bounds', () => {
  test('a command ends at its deadline whatever the shard does, and a late reply is dropped', async () => {
    const { executor, shard } = await serve();
    const late = Promise.withResolvers<Reply>();
    executor.intercept = ({ args }) => (args[0]!.toString() === 'slow' ? late.promise : undefined);
    const client = connect(shard.port);
    await client.state('ready');
    const reply = await client.runWith(libraryContext(30), 'GET', 'slow');
    expect(reply).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('shard shard-0') });
    late.resolve('too late');
    expect(await client.run('GET', 'other')).toBeNull();
    expect(client.link.stats()).toMatchObject({ timeouts: 1, inFlight: 0 });
    expect(await client.runWith(libraryContext(-1), 'GET', 'key')).toMatchObject({ code: 'TIMEOUT' });
  });

  test('an abort ends a command, before it is sent and after', async () => {
    const { executor, shard } = await serve();
    executor.intercept = never;
    const client = connect(shard.port);
    const abort = new AbortController();
    const context = { ...libraryContext(30_000), signal: abort.signal };
    const replies = Array.from({ length: 50 }, () => client.runWith(context, 'GET', 'key'));
    await client.state('ready');
    await expect.poll(() => executor.seen.length).toBe(50);
    const unsent = client.runWith(context, 'GET', 'key');
    abort.abort();
    for (const reply of [...replies, unsent]) expect(await reply).toMatchObject({ code: 'CANCELLED' });
    expect(await client.runWith(context, 'GET', 'key')).toMatchObject({ code: 'CANCELLED' });
    expect(client.link.stats()).toMatchObject({ inFlight: 0, inFlightBytes: 0 });
  });

  test('beyond its queue a link refuses at once and nothing was done', async () => {
    const { executor, shard } = await serve();
    executor.intercept = never;
    const client = connect(shard.port, { queueCommandsMax: 10, queueBytesMax: 100_000 });
    await client.state('ready');
    const context = libraryContext(300);
    const ten = Array.from({ length: 10 }, () => client.runWith(context, 'GET', 'key'));
    expect(await client.runWith(context, 'GET', 'key')).toMatchObject({ code: 'TRYAGAIN' });
    for (const reply of ten) expect(await reply).toMatchObject({ code: 'TIMEOUT' });
    executor.intercept = undefined;
    const alone = client.run('SET', 'key', Buffer.alloc(200_000));
    expect(await client.run('SET', 'key', Buffer.alloc(1))).toMatchObject({ code: 'TRYAGAIN' });
    expect(await alone).toBe('OK');
    expect(client.link.stats().refused).toBe(2);
    expect(executor.seen.length).toBe(11);
  });

  test('a shard takes no more work than the bound while replies wait for a router that does not read', async () => {
    const { executor, shard } = await serve(undefined, { inFlightBytesMax: 4 * MiB });
    await connect(shard.port).run('SET', 'key', Buffer.alloc(MiB));
    executor.seen.length = 0;
    let bytesMax = 0;
    executor.intercept = () => {
      bytesMax = Math.max(bytesMax, shard.link.stats().inFlightBytes);
      return undefined;
    };
    const channel = new GrpcChannel(`127.0.0.1:${shard.port}`, { windowBytes: MiB, connectionWindowBytes: MiB });
    cleanups.push(() => channel.close());
    const metadata = { [sessionHeader]: 'slow-reader', [laneHeader]: 'small' };
    const stream = channel.bidi(exchange, { metadata });
    const replies: number[] = [];
    stream.onMessage = (batch) => decodeReplies(batch, (id) => replies.push(id));
    await expect.poll(() => replies.length).toBeGreaterThan(0);
    stream.pause();
    const batch = new CommandBatch(0);
    for (let id = 1; id <= 200; id++) {
      batch.add(id, { name: 'GET', args: [Buffer.from('key')] }, 60_000, undefined, undefined);
    }
    stream.write(batch.finish());
    await expect.poll(() => executor.seen.length).toBeGreaterThan(3);
    expect(executor.seen.length).toBeLessThan(30);
    expect(shard.link.stats().inFlight).toBeGreaterThan(150);
    stream.resume();
    await expect.poll(() => replies.filter((id) => id > 0).length, { timeout: 20_000 }).toBe(200);
    expect(bytesMax).toBeLessThan(7 * MiB);
  });
});

describe('a shard that goes away', () => {
  test('by a crash fails what is in flight at once, and new commands too, until it is back', async () => {
    const { executor, shard } = await serve();
    const client = connect(shard.port);
    await client.state('ready');
    executor.intercept = never;
    const sent = client.run('GET', 'key');
    await expect.poll(() => executor.seen.length).toBe(1);
    await shard.crash();
    expect(await sent).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('before it answered') });
    expect(client.link.state).toBe('away');
    expect(await client.run('GET', 'key')).toMatchObject({ code: 'UNAVAILABLE' });
    executor.intercept = undefined;
    await serve(executor, {}, shard.port);
    await client.state('ready');
    expect(await client.run('GET', 'key')).toBeNull();
    expect(client.link.stats().connects).toBe(2);
  });

  test('by shutting down finishes what it has begun and refuses the rest', async () => {
    const { executor, shard } = await serve();
    const client = connect(shard.port);
    await client.state('ready');
    const slow = Promise.withResolvers<Reply>();
    executor.intercept = () => slow.promise;
    const begun = client.run('SET', 'key', Buffer.alloc(MiB));
    await expect.poll(() => executor.seen.length).toBe(1);
    const stopped = shard.stop();
    expect(await client.run('SET', 'key', 'x')).toMatchObject({ code: 'SHUTDOWN' });
    slow.resolve('OK');
    expect(await begun).toBe('OK');
    await stopped;
    await client.state('away');
  });

  test('before it was ever there lets commands wait only for the first attempt', async () => {
    const { shard } = await serve();
    await shard.crash();
    const client = connect(shard.port);
    expect(await client.run('GET', 'key')).toMatchObject({ code: 'UNAVAILABLE' });
    expect(client.link.stats().fault).toContain('ECONNREFUSED');
  });

  test('by SIGSTOP is away after the missed heartbeats, and back after SIGCONT', async () => {
    const { child, port } = await spawnShard();
    const client = connect(port, { heartbeatMs: 50 });
    expect(await client.run('SET', 'key', 'value')).toBe('OK');
    child.kill('SIGSTOP');
    expect(await client.runWith(libraryContext(10), 'GET', 'key')).toMatchObject({ code: 'TIMEOUT' });
    const sent = client.run('GET', 'key');
    expect(await sent).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('no sign of life') });
    child.kill('SIGCONT');
    await client.state('ready');
    expect(await client.run('GET', 'key')).toEqual(Buffer.from('value'));
  });

  test('by SIGKILL under load leaves no command without its reply, and its return is noticed', async () => {
    const first = await spawnShard();
    const client = connect(first.port);
    await client.state('ready');
    const counts = { done: 0, unavailable: 0, other: 0 };
    const stop = new AbortController();
    const load = Array.from({ length: 20 }, async (_, index) => {
      while (!stop.signal.aborted) {
        const reply = await client.run('SET', `key-${index}`, Buffer.alloc(index * 10_000));
        if (reply === 'OK') counts.done += 1;
        else if (reply instanceof ReplyError && reply.code === 'UNAVAILABLE') counts.unavailable += 1;
        else counts.other += 1;
        // An error comes in the same tick: let timers and sockets have their turn.
        await new Promise(setImmediate);
      }
    });
    await expect.poll(() => counts.done).toBeGreaterThan(100);
    first.child.kill('SIGKILL');
    await client.state('away');
    await spawnShard(first.port);
    await client.state('ready');
    const before = counts.done;
    await expect.poll(() => counts.done).toBeGreaterThan(before + 100);
    stop.abort();
    await Promise.all(load);
    expect(counts.unavailable).toBeGreaterThan(0);
    expect(counts.other).toBe(0);
    expect(client.link.stats()).toMatchObject({ inFlight: 0, inFlightBytes: 0, connects: 2 });
  });
});

describe('trust', () => {
  test('a shard of another name is not taken for this one', async () => {
    const { shard } = await serve();
    const client = connect(shard.port, { shard: 'shard-7' });
    expect(await client.run('GET', 'key')).toMatchObject({ code: 'UNAVAILABLE' });
    expect(client.link.stats().fault).toBe('the shard there is shard-0');
  });

  test('a link without the right secret is refused', async () => {
    const { executor, shard } = await serve(undefined, { secrets: new SecretSet(['open sesame']) });
    const wrong = connect(shard.port, { secret: 'open barley' });
    expect(await wrong.run('GET', 'key')).toMatchObject({ code: 'UNAVAILABLE' });
    expect(wrong.link.stats().fault).toContain('secret');
    const right = connect(shard.port, { secret: 'open sesame' });
    expect(await right.run('GET', 'key')).toBeNull();
    expect(executor.seen).toEqual(['GET']);
  });

  test('a peer that sends no frames of ours is told so, and harms nobody else', async () => {
    const { executor, shard } = await serve();
    const client = connect(shard.port);
    await client.state('ready');
    const channel = new GrpcChannel(`127.0.0.1:${shard.port}`);
    cleanups.push(() => channel.close());
    const end = (metadata: Record<string, string>, bytes: Buffer): Promise<StreamEnd> => {
      const stream = channel.bidi(exchange, { metadata });
      stream.write([bytes]);
      return stream.closed;
    };
    expect(await end({}, Buffer.alloc(0))).toMatchObject({ details: `${sessionHeader} is missing` });
    expect(await end({ [sessionHeader]: 'a' }, Buffer.from('nonsense'))).not.toMatchObject({ code: grpcStatus.OK });
    expect(await client.run('GET', 'key')).toBeNull();
    expect(executor.seen).toEqual(['GET']);
    await expect.poll(() => shard.link.stats().sessions).toBe(1);
  });
});
