import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { executeMethod, type OutgoingCommand } from '../../client/cache-codec.ts';
import { KvcacheClient } from '../../client/key-client.ts';
import { GrpcChannel } from '../../grpc/client.ts';
import { grpcStatus, type StreamEnd } from '../../grpc/status.ts';
import { executeCommandsMax, executeUnderWayMax } from '../../limits.ts';
import { MemoryCache } from '../../testing/memory-cache.ts';

let cache: MemoryCache;
let channel: GrpcChannel;

beforeEach(async () => {
  cache = new MemoryCache();
  await cache.start();
  channel = new GrpcChannel(cache.server);
});
afterEach(async () => {
  channel.close();
  await cache.close();
});

function commands(count: number, name = 'GET'): OutgoingCommand[] {
  return Array.from({ length: count }, (_, index) => ({
    name,
    args: [Buffer.from(`key-${index}`)],
    acknowledgement: undefined,
  }));
}

async function execute(...requests: OutgoingCommand[][]): Promise<{ replies: number; end: StreamEnd }> {
  const stream = channel.bidi(executeMethod);
  let replies = 0;
  stream.onMessage = (message) => (replies += message.length);
  for (const request of requests) stream.write(request);
  stream.end();
  const end = await stream.closed;
  return { replies, end };
}

describe('a batch', () => {
  test('is answered command for command', async () => {
    expect(await execute(commands(5_000))).toMatchObject({ replies: 5_000, end: { code: grpcStatus.OK } });
    expect(await execute([])).toMatchObject({ replies: 0, end: { code: grpcStatus.OK } });
  });

  test('of none or of two requests is refused', async () => {
    const refused = { code: grpcStatus.INVALID_ARGUMENT, details: 'Execute takes one request a call' };
    expect(await execute()).toMatchObject({ end: refused });
    cache.intercept = () => new Promise(() => undefined);
    expect(await execute(commands(1), commands(1))).toMatchObject({ end: refused });
  });

  test('of too many commands is refused, and nothing is done', async () => {
    const { end } = await execute(commands(executeCommandsMax + 1));
    expect(end).toMatchObject({ code: grpcStatus.INVALID_ARGUMENT, metadata: { 'kvcache-code': 'TOOLARGE' } });
    expect(cache.seen).toEqual([]);
  });

  test('is answered per command where a command is wrong', async () => {
    using client = new KvcacheClient({ server: cache.server });
    await expect(client.command('GET', [])).rejects.toThrow('wrong number of arguments');
    await expect(client.command('NOSUCH', ['a'])).rejects.toThrow("unknown command 'NOSUCH'");
    expect(cache.seen).toEqual([]);
  });

  test('has a bounded number of commands under way', async () => {
    const gate = Promise.withResolvers<null>();
    let arrived = 0;
    const full = Promise.withResolvers<void>();
    cache.intercept = () => {
      if (++arrived === executeUnderWayMax) full.resolve();
      return gate.promise;
    };
    const outcome = execute(commands(3 * executeUnderWayMax));
    await full.promise;
    expect(arrived).toBe(executeUnderWayMax);
    gate.resolve(null);
    expect(await outcome).toMatchObject({ replies: 3 * executeUnderWayMax });
  });

  test('does not read ahead of a caller that does not read', async () => {
    const value = Buffer.alloc(1024 * 1024);
    let reads = 0;
    cache.intercept = ({ name }) => {
      if (name !== 'GET') return undefined;
      reads++;
      return value;
    };
    const stream = channel.bidi(executeMethod);
    stream.onMessage = () => undefined;
    stream.pause();
    stream.write(commands(1_000));
    // Other calls get through meanwhile, and give the server every opportunity to read on.
    using other = new KvcacheClient({ server: cache.server });
    for (let call = 0; call < 100; call++) await other.size();
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThan(300);
    stream.cancel();
  });

  test('that nobody waits for any more starts no further command', async () => {
    const stream = channel.bidi(executeMethod);
    const arrived = Promise.withResolvers<AbortSignal>();
    cache.intercept = (_, context) => {
      arrived.resolve(context.signal!);
      return new Promise(() => undefined);
    };
    stream.write(commands(2 * executeUnderWayMax));
    const signal = await arrived.promise;
    const told = new Promise((resolve) => signal.addEventListener('abort', resolve));
    stream.cancel();
    await told;
    expect(cache.seen).toHaveLength(executeUnderWayMax);
  });
});
