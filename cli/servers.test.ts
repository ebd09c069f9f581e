/** Single shards and routers as real processes: how they start, what they say of themselves, how they end. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KvcacheClient } from '../client/key-client.ts';
import { TypedClient } from '../client/typed-client.ts';
import { ReplyError } from '../commands/reply.ts';
import { DeadlineWheel } from '../grpc/deadline-wheel.ts';
import { ask } from '../link/ask.ts';
import { ShardLink } from '../link/shard-link.ts';
import { PodLinks } from '../operator/pods/pod-links.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { formatTopology } from '../topology/document.ts';
import { topology } from '../topology/place.ts';
import { isAlive, makeFolder, spawnCommand } from './testing/command.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface LogLine {
  readonly msg: string;
  readonly code?: string;
  readonly addresses?: Readonly<Record<string, string>>;
}

/** A server process whose log is read. */
class ServerProcess {
  readonly log: LogLine[] = [];
  /** Standard error by itself, a line each. */
  readonly err: string[] = [];
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawnCommand(args, { environment });
    this.#closed = once(this.child, 'close');
    createInterface({ input: this.child.stderr! }).on('line', (line) => this.err.push(line));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { msg: line });
        this.child.emit('said');
      });
    }
  }

  async untilSaid(text: string): Promise<LogLine> {
    for (;;) {
      const line = this.log.find(({ msg }) => msg.includes(text));
      if (line) return line;
      if (this.child.exitCode !== null) throw new Error(`ended: ${JSON.stringify(this.log)}`);
      await Promise.race([once(this.child, 'said'), this.#closed]);
    }
  }

  async addresses(): Promise<Readonly<Record<string, string>>> {
    return (await this.untilSaid('ready')).addresses!;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.ended();
  }

  async ended(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }
}

let folder: string;
let azurite: TestAzurite | undefined;
const servers: ServerProcess[] = [];
beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  for (const { child } of servers.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await azurite?.remove();
  azurite = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** With all ports free ones of this machine. */
function start(args: readonly string[], environment?: Readonly<Record<string, string>>): ServerProcess {
  const local = ['link', 'grpc', 'http', 'resp', 'tcp'].flatMap((door) => [
    `--${door}-host`,
    '127.0.0.1',
    `--${door}-port`,
    '0',
  ]);
  // Flags that the test gives come last and win.
  return startAsTyped([args[0]!, ...local, ...args.slice(1)], environment);
}

function startAsTyped(args: readonly string[], environment?: Readonly<Record<string, string>>): ServerProcess {
  const server = new ServerProcess(args, environment);
  servers.push(server);
  return server;
}

const shardArgs = (name: string, ...more: string[]): string[] => [
  'shard',
  '--shard-name',
  name,
  '--data-path',
  join(folder, name),
  ...more,
];

async function statusOf(address: string, path: string): Promise<[number, unknown]> {
  const response = await fetch(`http://${address}${path}`);
  return [response.status, await response.json()];
}

test('a shard by itself owns every slot, keeps its data over SIGTERM, and ends with code 0', async () => {
  const first = start(shardArgs('shard-0'));
  using client = new KvcacheClient({ server: (await first.addresses())['grpc'] });
  await client.mset({ a: '1', b: '2', c: '3' });
  expect(await first.end('SIGTERM')).toBe(0);
  const second = start(shardArgs('shard-0'));
  using again = new KvcacheClient({ server: (await second.addresses())['grpc'] });
  expect((await again.mget(['a', 'b', 'c'])).map(String)).toEqual(['1', '2', '3']);
  expect(await again.status()).toMatchObject([{ name: 'shard-0', slots: 16_384, keys: 3 }]);
});

test('a command line of the binary protocol’s own server starts a shard that answers at its address', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const local = ['link', 'grpc', 'http', 'resp'].flatMap((door) => [`--${door}-host=127.0.0.1`, `--${door}-port=0`]);
  const flags = ['-b', `127.0.0.1:${port}`, '-s', '512', '-l', 'debug', '--data-dir', join(folder, 'data')];
  const more = ['--fsync-interval-ms', '1000', '--snapshot-interval-secs', '300'];
  const shard = startAsTyped(['shard', ...local, ...flags, ...more], { KV_PASSWORD: 'sesame' });
  expect((await shard.addresses())['tcp']).toBe(`127.0.0.1:${port}`);
  expect(shard.err).toEqual([expect.stringContaining('--shards is'), expect.stringContaining('--snapshot-interval')]);
  const client = new TypedClient(`127.0.0.1:${port}`, { password: 'sesame' });
  await client.set('greeting', 'hello');
  expect(await client.get('greeting')).toBe('hello');
  client.close();
  const stranger = new TypedClient(`127.0.0.1:${port}`, { password: 'open' });
  await expect(stranger.get('greeting')).rejects.toThrow();
  stranger.close();
  const both = startAsTyped(['shard', '--tcp-port', '1', '--bind', ':2']);
  expect(await both.ended()).toBe(2);
  expect(both.err.join()).toContain('tcp.port is given twice, by --tcp-port and --bind; keep one of them');
});

test('health and readiness are told over HTTP, and metrics of every part', async () => {
  const shard = start(shardArgs('shard-0'));
  const { http } = await shard.addresses();
  expect(await statusOf(http!, '/health')).toEqual([200, { status: 'healthy', message: 'service is running' }]);
  expect(await statusOf(http!, '/ready')).toEqual([200, { status: 'ready' }]);
  const metrics = await (await fetch(`http://${http}/metrics`)).text();
  for (const name of [
    'kvcache_hot_bytes',
    'kvcache_log_bytes',
    'kvcache_link_sessions',
    'kvcache_evicted_keys_total',
    'kvcache_grpc_connections',
    'kv_get_latency_seconds_count',
    'nodejs_eventloop_lag_p99_seconds',
    'process_resident_memory_bytes',
  ]) {
    expect(metrics).toContain(`\n${name}`);
  }
});

test('a shard that waits for Blob to restore from lives, is not ready, and ends at once when told to', async () => {
  // Nobody listens there, and the disk is empty: serving now could contradict what Blob holds.
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const httpPort = (probe.address() as AddressInfo).port;
  probe.close();
  await once(probe, 'close');
  const connection = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:${port}/a`;
  const shard = start(shardArgs('shard-0', '--http-port', `${httpPort}`), {
    KVCACHE_BLOB_CONNECTION_STRING: connection,
  });
  await shard.untilSaid('Blob cannot be reached at start');
  const address = `127.0.0.1:${httpPort}`;
  expect((await statusOf(address, '/health'))[0]).toBe(200);
  expect(await statusOf(address, '/ready')).toEqual([503, { status: 'not ready', reasons: ['starting'] }]);
  expect(await shard.end('SIGTERM')).toBe(0);
  expect(JSON.stringify(shard.log)).not.toContain('a2V5');
});

test('a second signal ends a process at once with 128 and its number', async () => {
  azurite = await startTestAzurite();
  const shard = start(shardArgs('shard-0'), { KVCACHE_BLOB_CONNECTION_STRING: azurite.azurite.connectionString });
  using client = new KvcacheClient({ server: (await shard.addresses())['grpc'] });
  await client.set('a', '1', { acknowledgement: 'blob' });
  azurite.azurite.pause();
  await client.set('b', '2');
  // As a process group gets it whose launcher hands it on: one signal, not two.
  shard.child.kill('SIGTERM');
  shard.child.kill('SIGTERM');
  await shard.untilSaid('stopping');
  expect(await shard.end('SIGINT')).toBe(130);
});

test('a shard that another one took over says that it is fenced and ends with code 71', async () => {
  azurite = await startTestAzurite();
  const environment = { KVCACHE_BLOB_CONNECTION_STRING: azurite.azurite.connectionString };
  const older = start(shardArgs('shard-0'), environment);
  using client = new KvcacheClient({ server: (await older.addresses())['grpc'], retry: { attemptsMax: 1 } });
  await client.set('a', '1', { acknowledgement: 'blob' });
  const newer = start(['shard', '--shard-name', 'shard-0', '--data-path', join(folder, 'other')], environment);
  using second = new KvcacheClient({ server: (await newer.addresses())['grpc'] });
  // What the older one still tries to bring to Blob tells it.
  await client.set('b', '2').catch(() => undefined);
  expect(await older.ended()).toBe(71);
  expect(older.log.map(({ code }) => code)).toContain('FENCED');
  expect(String(await second.get('a'))).toBe('1');
});

test('what keeps a server from starting is one sentence, also on standard error, and an exit code of its own', async () => {
  const running = start(shardArgs('shard-0'));
  const { grpc } = await running.addresses();
  const locked = start(shardArgs('shard-0'));
  expect(await locked.ended()).toBe(72);
  const { msg } = locked.log.find(({ code }) => code === 'LOCKED')!;
  expect(locked.err).toEqual([`kvcache: ${msg}`]);
  const port = grpc!.split(':')[1]!;
  const taken = start(shardArgs('shard-1', '--grpc-port', port));
  expect(await taken.ended()).toBe(2);
  const sentence = `grpc.port is ${port}, which another process listens on; end that process or set another port`;
  expect(taken.log.find(({ code }) => code === 'CONFIG')).toMatchObject({ msg: sentence });
  expect(taken.err).toEqual([`kvcache: ${sentence}`]);
  const router = start(['router', '--data-path', join(folder, 'router')]);
  expect(await router.ended()).toBe(2);
  expect(router.err).toHaveLength(1);
  expect(router.err[0]).toContain('topology');
});

test('a router serves what it can while a shard is away', async () => {
  const shard = start(shardArgs('shard-0', '--topology-path', join(folder, 'topology.json')));
  // Written when the shard's port is known; until then the shard waits for nothing and owns everything.
  const { link } = await shard.addresses();
  const members = [
    { name: 'shard-0', address: link! },
    { name: 'shard-1', address: '127.0.0.1:1' },
  ];
  writeFileSync(join(folder, 'topology.json'), formatTopology(topology(undefined, members)));
  const router = start([
    'router',
    '--data-path',
    join(folder, 'router'),
    '--topology-path',
    join(folder, 'topology.json'),
  ]);
  using client = new KvcacheClient({ server: (await router.addresses())['grpc'], retry: { attemptsMax: 1 } });
  const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
  const results = await Promise.allSettled(keys.map((key) => client.set(key, 'x')));
  const stored = keys.filter((_, index) => results[index]!.status === 'fulfilled');
  expect(stored.length).toBeGreaterThan(0);
  expect(stored.length).toBeLessThan(keys.length);
  expect((await client.mget(keys)).map((value) => value !== null)).toEqual(keys.map((key) => stored.includes(key)));
  expect(await router.end('SIGINT')).toBe(0);
  expect(isAlive(router.child.pid!)).toBe(false);
});

test('a client of two routers goes on while one is killed, and uses it again when it is back', async () => {
  const members = [{ name: 'shard-0', address: (await start(shardArgs('shard-0')).addresses())['link']! }];
  const topologyPath = join(folder, 'topology.json');
  writeFileSync(topologyPath, formatTopology(topology(undefined, members)));
  const router = (name: string, ...more: string[]): ServerProcess =>
    start(['router', '--data-path', join(folder, name), '--topology-path', topologyPath, ...more]);
  const routers = [router('router-0'), router('router-1')];
  const servers = await Promise.all(routers.map(async (one) => (await one.addresses())['grpc']!));
  using client = new KvcacheClient({ server: servers });
  await client.set('a', '1');
  const getsOf = async (one: ServerProcess): Promise<number> => {
    const { http } = await one.addresses();
    const metrics = await (await fetch(`http://${http}/metrics`)).text();
    return Number(/^kv_gets_total (\d+)/m.exec(metrics)?.[1] ?? 0);
  };
  const untilAllAreAsked = async (ones: readonly ServerProcess[]): Promise<void> => {
    while ((await Promise.all(ones.map(getsOf))).includes(0)) expect(String(await client.get('a'))).toBe('1');
  };
  await untilAllAreAsked(routers);
  // Reads under way where one is killed are asked again; what is called later never goes there.
  const killed = new AbortController();
  const reader = async (): Promise<void> => {
    do expect(String(await client.get('a'))).toBe('1');
    while (!killed.signal.aborted);
    for (let call = 0; call < 10; call++) expect(String(await client.get('a'))).toBe('1');
  };
  const readers = Array.from({ length: 4 }, reader);
  await routers[0]!.end('SIGKILL');
  killed.abort();
  await Promise.all(readers);
  for (let call = 0; call < 50; call++) expect(await client.set(`k${call}`, 'x')).toBe(true);
  const [port] = servers[0]!.split(':').slice(-1);
  await untilAllAreAsked([router('router-0', '--grpc-port', port!), routers[1]!]);
});

test('a router shows and takes settings on its internal port, as shards do', async () => {
  const members = [{ name: 'shard-0', address: (await start(shardArgs('shard-0')).addresses())['link']! }];
  const topologyPath = join(folder, 'topology.json');
  writeFileSync(topologyPath, formatTopology(topology(undefined, members)));
  const flags = ['--data-path', join(folder, 'router'), '--topology-path', topologyPath, '--router-name', 'router-0'];
  const router = start(['router', ...flags]);
  const { link: address } = await router.addresses();
  const link = new ShardLink({ shard: 'router-0', address: address!, deadlines: new DeadlineWheel() });
  const tell = (name: string, ...args: string[]) =>
    ask(
      link,
      name,
      args.map((text) => Buffer.from(text)),
      { timeoutMs: 30_000, epoch: undefined },
    );
  expect(await tell('SETTINGS.SET', '{"log_level":"debug"}')).toBe('OK');
  const shown = (await tell('SETTINGS.GET')) as Buffer;
  expect(JSON.parse(shown.toString())).toMatchObject({ log_level: 'debug' });
  const refusal = await tell('SETTINGS.SET', '{"router.unavailable_reads":"error"}');
  expect(refusal).toBeInstanceOf(ReplyError);
  expect(refusal).toMatchObject({ code: 'CONFIG' });
  link.close();
});

test('a change of settings at a router reaches a shard that comes back without its disk', async () => {
  const topologyPath = join(folder, 'topology.json');
  const shardWith = (name: string, ...more: string[]): ServerProcess =>
    start(shardArgs(name, '--topology-path', topologyPath, ...more));
  const shards = ['shard-0', 'shard-1'].map((name) => ({ name, server: shardWith(name) }));
  const members = await Promise.all(
    shards.map(async ({ name, server }) => ({ name, address: (await server.addresses())['link']! })),
  );
  writeFileSync(topologyPath, formatTopology(topology(undefined, members)));
  const router = start(['router', '--data-path', join(folder, 'router'), '--topology-path', topologyPath]);
  const config = `http://${(await router.addresses())['http']}/api/v1/config`;
  const changed = await fetch(config, { method: 'POST', body: '{"eviction":{"batch_size":7}}' });
  expect(await changed.json()).toMatchObject({ success: true });
  await shards[1]!.server.end('SIGKILL');
  rmSync(join(folder, 'shard-1'), { recursive: true });
  const port = members[1]!.address.split(':')[1]!;
  const { http } = await shardWith('shard-1', '--link-port', port).addresses();
  await expect
    .poll(async () => (await statusOf(http!, '/api/v1/config'))[1], { timeout: 60_000 })
    .toMatchObject({ eviction: { batch_size: 7 } });
});

test('a shard of any topology flushes and takes settings when the operator asks it', async () => {
  const topologyPath = join(folder, 'topology.json');
  const members = [
    { name: 'shard-0', address: '127.0.0.1:1' },
    { name: 'shard-1', address: '127.0.0.1:2' },
  ];
  writeFileSync(topologyPath, formatTopology(topology(undefined, members)));
  const { link } = await start(shardArgs('shard-0', '--topology-path', topologyPath)).addresses();
  const port = Number(link!.split(':')[1]);
  const links = new PodLinks({ port, deadlines: new DeadlineWheel(), log: { debug: () => undefined } });
  links.follow([{ name: 'shard-0', role: 'shard', ip: '127.0.0.1', host: 'shard-0', process: 'a' }], {}, 'a');
  expect(await links.flush('shard-0', 'disk', 30_000)).toBeUndefined();
  expect(await links.changeSettings('shard-0', '{"log_level":"debug"}')).toBeUndefined();
  expect(await links.reports()).toMatchObject([{ name: 'shard-0', epoch: 1 }]);
  links.close();
});
