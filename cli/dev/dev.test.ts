import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { DevProcess, isAlive, kvcache, untilGone } from '../testing/command.ts';
import { findCluster } from './state.ts';

// Every test starts half a dozen processes, on machines that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const started: DevProcess[] = [];
async function start(options?: Parameters<typeof DevProcess.start>[0]): Promise<DevProcess> {
  const dev = await DevProcess.start({ args: ['--shards', '2'], ...options });
  started.push(dev);
  return dev;
}
afterEach(async () => {
  for (const dev of started.splice(0)) await dev.dispose();
});

const childrenOf = async (dev: DevProcess): Promise<number[]> =>
  (await dev.processes()).filter(({ role }) => role !== 'supervisor').map(({ pid }) => pid!);

test('a cluster comes up, lists its processes, and Ctrl-C in the terminal ends all of them with code 0', async () => {
  const dev = await start();
  const processes = await dev.processes();
  expect(processes.map(({ id, role, state }) => `${role} ${id} ${state}`)).toEqual([
    'supervisor supervisor ready',
    'azurite azurite ready',
    'shard shard-0 ready',
    'shard shard-1 ready',
    'router router ready',
  ]);
  const { portBase } = dev;
  expect(processes[2]).toMatchObject({
    addresses: {
      link: `127.0.0.1:${portBase + 10}`,
      grpc: `127.0.0.1:${portBase + 30}`,
      http: `127.0.0.1:${portBase + 50}`,
    },
    dataDirectory: join(dev.dataPath, 'shard-0'),
  });
  const children = await childrenOf(dev);
  expect(await dev.end('SIGINT', 'group')).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
  expect(existsSync(join(dev.dataPath, 'cluster.json'))).toBe(false);
  expect(findCluster(portBase)).toBeUndefined();
});

test('a shard that is killed comes back with what it acknowledged on disk', async () => {
  // A read of a shard that is away fails rather than being answered as a miss.
  const dev = await start({ args: ['--shards', '2', '--router-unavailable-reads', 'error'] });
  await dev.run(['set', 'a', 'kept', '--ack', 'disk']);
  await dev.run(['set', 'b', 'kept', '--ack', 'disk']);
  for (const id of ['shard-0', 'shard-1']) {
    process.kill(await dev.pidOf(id), 'SIGKILL');
    await dev.untilSaid(`${id} is ready again`);
  }
  // The router tries a shard that was away again within two seconds.
  const read = async (): Promise<string> => (await dev.run(['mget', 'a', 'b'])).out;
  await expect.poll(read, { timeout: 60_000 }).toBe('key\tvalue\na\tkept\nb\tkept\n');
  expect((await dev.processes()).map(({ restarts }) => restarts)).toEqual([0, 0, 1, 1, 0]);
});

test('status shows what answers while a shard hangs, and while the router is away', async () => {
  const dev = await start();
  const statusOf = async (): Promise<{ code: number | null; err: string; shards: string[] }> => {
    const { out, err, code } = await dev.run(['status', '--json']);
    const { shards, away } = JSON.parse(out) as { shards: { name: string }[]; away: string[] };
    return { code, err: err + away.join(), shards: shards.map(({ name }) => name) };
  };
  const shard = await dev.pidOf('shard-0');
  process.kill(shard, 'SIGSTOP');
  expect(await statusOf()).toMatchObject({
    code: 0,
    shards: ['shard-1'],
    err: expect.stringContaining('shard-0 does not answer') as string,
  });
  process.kill(shard, 'SIGCONT');
  const router = await dev.pidOf('router');
  process.kill(router, 'SIGSTOP');
  expect((await statusOf()).shards).toEqual(['shard-0', 'shard-1']);
  process.kill(router, 'SIGCONT');
});

test('children end by themselves when the supervisor is killed, and the next start finds their data', async () => {
  const dev = await start();
  await dev.run(['set', 'greeting', 'hello']);
  const children = await childrenOf(dev);
  await dev.end('SIGKILL');
  await untilGone(children);
  const again = await start({ portBase: dev.portBase, dataPath: dev.dataPath });
  expect((await again.run(['get', 'greeting'])).out).toBe('hello\n');
});

test('a second Ctrl-C ends everything at once with code 130', async () => {
  const dev = await start();
  await dev.run(['set', 'a', '1']);
  const children = await childrenOf(dev);
  // Without Blob the shards cannot flush, so the first Ctrl-C waits.
  process.kill(await dev.pidOf('azurite'), 'SIGSTOP');
  await dev.run(['set', 'b', '2']);
  dev.signal('SIGINT', 'group');
  await dev.untilSaid('stopping');
  expect(await dev.end('SIGTERM', 'group')).toBe(143);
  await untilGone(children);
});

test('what cannot start is told in a sentence and by the exit code', async () => {
  const dev = await start();
  const base = ['dev', '--port-base', `${dev.portBase}`, '--data'];
  const taken = await kvcache([...base, join(dev.dataPath, 'other')]);
  expect(taken.code).toBe(2);
  expect(taken.err).toContain(`kvcache: port ${dev.portBase} (router gRPC) is taken by another process\n`);
  const locked = await kvcache([...base, dev.dataPath]);
  expect(locked).toMatchObject({ code: 72, err: expect.stringContaining('is used by another process') as string });
  await dev.end('SIGTERM');
  const resized = await kvcache([...base, dev.dataPath, '--shards', '3']);
  expect(resized.code).toBe(2);
  expect(resized.err).toContain('belongs to 2 shards, and --shards asks for 3; start without --shards');
  const wrong = await kvcache([...base, dev.dataPath, '--disk-size', 'huge', '--log-level', 'loud']);
  expect(wrong.code).toBe(2);
  expect(wrong.err.split('\n')).toEqual([
    "kvcache: disk.size is 'huge' (flag --disk-size); it must be a size such as 64MiB, 1GB or a number of bytes, at least 16MiB",
    "kvcache: log_level is 'loud' (flag --log-level); it must be silent, fatal, error, warn, info, verbose, debug or trace",
    '',
  ]);
});
