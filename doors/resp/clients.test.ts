/** Clients that people use, unchanged, on a router with three shards and on the shards themselves. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { Cluster as IoredisCluster, Redis as Ioredis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HandoverCluster } from '../../shard/handover/testing/cluster.ts';
import { slotOf } from '../../topology/slot.ts';
import { OpenDoor } from './testing/open-door.ts';
import { RespClient } from './testing/resp-client.ts';

const run = promisify(execFile);
const keys = Array.from({ length: 60 }, (_, index) => `key:${index}`);

let cluster: HandoverCluster;
let router: OpenDoor;

beforeAll(async () => {
  cluster = await HandoverCluster.start(4, 3);
  router = await OpenDoor.open(cluster.router);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await cluster.stop();
});

/** True if the program is there; says so once if it is not. */
function isInstalled(program: string): boolean {
  const isThere = spawnSync(program, ['--version']).status === 0;
  if (!isThere) process.stderr.write(`${program} is not installed: what uses it is skipped\n`);
  return isThere;
}

describe('ioredis', () => {
  test('through a router: keys of all shards in one command, pipelines in order', async () => {
    const client = new Ioredis(router.port, '127.0.0.1');
    await client.mset(Object.fromEntries(keys.map((key) => [key, `of ${key}`])));
    expect(await client.mget(...keys)).toEqual(keys.map((key) => `of ${key}`));
    const pipeline = client.pipeline();
    for (let round = 0; round < 50; round++) pipeline.set('n', round).get('n').set('m', round).get('m');
    const replies = await pipeline.exec();
    const expected = Array.from({ length: 50 }, (_, round) => ['OK', `${round}`, 'OK', `${round}`]).flat();
    expect(replies!.map(([, reply]) => reply)).toEqual(expected);
    expect(await client.getBuffer('n')).toEqual(Buffer.from('49'));
    await expect(client.call('nothing', 'a')).rejects.toThrow(
      "ERR unknown command 'nothing', with args beginning with: 'a' ",
    );
    await client.quit();
  });

  test('as a cluster, which finds the shard of every key, also while slots move', async () => {
    const client = new IoredisCluster([{ host: '127.0.0.1', port: cluster.respPort(0) }]);
    for (const key of keys) await client.set(key, `cluster ${key}`);
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys.map((key) => `cluster ${key}`));
    const reading = async (): Promise<void> => {
      for (const key of keys) expect(await client.get(key)).toBe(`cluster ${key}`);
    };
    await cluster.scale(4, reading);
    await reading();
    await cluster.scale(3, reading);
    await reading();
    expect(client.nodes('master').length).toBeGreaterThanOrEqual(3);
    await client.quit();
  });

  test('as a cluster of one, which a router is to it', async () => {
    const client = new IoredisCluster([{ host: '127.0.0.1', port: router.port }]);
    await client.set('one', 'node');
    expect(await client.get('one')).toBe('node');
    await client.quit();
  });
});

describe('node-redis', () => {
  test.each([2, 3] as const)('through a router, RESP%i', async (RESP) => {
    const client = createClient({ socket: { port: router.port, host: '127.0.0.1' }, RESP });
    await client.connect();
    await client.set('node', 'redis', { expiration: { type: 'EX', value: 100 } });
    expect(await client.get('node')).toBe('redis');
    expect(await client.ttl('node')).toBeGreaterThan(90);
    expect(await client.mGet(keys.slice(0, 3))).toHaveLength(3);
    expect(await Promise.all([client.set('p', '1'), client.get('p'), client.del('p')])).toEqual(['OK', '1', 1]);
    expect(await client.clientId()).toBeGreaterThan(0);
    expect(await client.configGet('maxclients')).toEqual({ maxclients: '10000' });
    await client.close();
  });

  test('as a cluster', async () => {
    const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${cluster.respPort(1)}` }] });
    await client.connect();
    for (const key of keys) await client.set(key, `root ${key}`);
    for (const key of keys) expect(await client.get(key)).toBe(`root ${key}`);
    await client.close();
  });
});

describe.skipIf(!isInstalled('redis-cli'))('redis-cli', () => {
  const cli = async (port: number, ...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-h', '127.0.0.1', '-p', `${port}`, ...args])).stdout.trimEnd();

  test('through a router, in both protocols', async () => {
    expect(await cli(router.port, 'set', 'cli', 'value')).toBe('OK');
    expect(await cli(router.port, '-3', 'get', 'cli')).toBe('value');
    expect(await cli(router.port, 'info', 'server')).toContain('redis_mode:standalone');
    expect(Number(await cli(router.port, 'command', 'count'))).toBeGreaterThan(40);
    expect(await cli(router.port, 'cluster', 'info')).toContain('cluster_state:ok');
  });

  test('-c follows a shard to the one that has the key', async () => {
    for (const key of keys.slice(0, 12)) {
      expect(await cli(cluster.respPort(0), '-c', 'set', key, 'followed')).toBe('OK');
      expect(await cli(cluster.respPort(2), '-c', 'get', key)).toBe('followed');
    }
  });

  test('--cluster check finds every slot at its owner', async () => {
    const checked = await cli(cluster.respPort(0), '--cluster', 'check', `127.0.0.1:${cluster.respPort(0)}`);
    expect(checked).toContain('All 16384 slots covered');
    expect(checked).toContain('All nodes agree about slots configuration');
  });
});

describe.skipIf(!isInstalled('redis-benchmark'))('redis-benchmark', () => {
  test.each(['router', 'shard'])('on a %s', async (where) => {
    const port = where === 'router' ? router.port : cluster.respPort(0);
    // On a shard, tags put every key into one of its slots.
    const key = keyOf(0);
    const args = ['-h', '127.0.0.1', '-p', `${port}`, '-n', '2000', '-P', '16', '-q'];
    const { stdout } = await run('redis-benchmark', [...args, 'set', `{${key}}:__rand_int__`, 'value']);
    expect(stdout).toMatch(/requests per second/);
    expect(stdout).not.toContain('rror');
  });
});

const python = process.env['KVCACHE_PYTHON'] ?? 'python3';
const hasRedisPy = spawnSync(python, ['-c', 'import redis']).status === 0;
if (!hasRedisPy)
  process.stderr.write('redis-py is not installed (KVCACHE_PYTHON names a Python that has it): skipped\n');

describe.skipIf(!hasRedisPy)('redis-py', () => {
  const py = async (program: string): Promise<string> => (await run(python, ['-c', program])).stdout.trimEnd();

  test.each([2, 3])('through a router, RESP%i', async (protocol) => {
    const program = `
import redis
r = redis.Redis(host='127.0.0.1', port=${router.port}, protocol=${protocol})
r.mset({f'py:{i}': str(i) for i in range(50)})
print(r.mget([f'py:{i}' for i in range(50)]) == [str(i).encode() for i in range(50)])
p = r.pipeline(transaction=False)
for i in range(20): p.set('py', i).get('py')
print([x for x in p.execute() if x is not True] == [str(i).encode() for i in range(20)])
print(r.info()['role'], r.config_get('maxclients'), r.delete(*[f'py:{i}' for i in range(50)]))`;
    expect(await py(program)).toBe("True\nTrue\nmaster {'maxclients': '10000'} 50");
  });

  test('as a cluster', async () => {
    const program = `
import redis
r = redis.RedisCluster(host='127.0.0.1', port=${cluster.respPort(2)})
for i in range(50): r.set(f'pyc:{i}', i)
print(all(r.get(f'pyc:{i}') == str(i).encode() for i in range(50)), len(r.get_primaries()))`;
    expect(await py(program)).toBe('True 3');
  });
});

describe('a shard by itself', () => {
  test('says MOVED with the address of the owner, CROSSSLOT for keys of several, and serves what is its own', async () => {
    using client = await RespClient.open(cluster.respPort(0));
    const own = keyOf(0);
    const foreign = keyOf(1);
    expect(await client.ask('SET', own, 'v')).toBe('+OK');
    expect(await client.ask('GET', foreign)).toBe(
      `-MOVED ${slotOf(Buffer.from(foreign))} 127.0.0.1:${cluster.respPort(1)}`,
    );
    expect(await client.ask('MGET', own, foreign)).toBe("-CROSSSLOT Keys in request don't hash to the same slot");
    expect(await client.ask('ASKING')).toBe('+OK');
    expect(await client.ask('READONLY')).toBe('+OK');
    expect(await client.ask('SELECT', '1')).toBe('-ERR SELECT is not allowed in cluster mode');
  });

  test('counts and lists the keys of a slot', async () => {
    using client = await RespClient.open(cluster.respPort(0));
    const own = keyOf(0);
    const slot = `${slotOf(Buffer.from(own))}`;
    for (let index = 0; index < 5; index++) await client.ask('SET', `{${own}}:listed:${index}`, 'v');
    expect(await client.ask('CLUSTER', 'KEYSLOT', own)).toBe(`:${slot}`);
    const count = Number((await client.ask('CLUSTER', 'COUNTKEYSINSLOT', slot)).slice(1));
    expect(count).toBeGreaterThanOrEqual(5);
    expect(await client.ask('CLUSTER', 'GETKEYSINSLOT', slot, '3')).toBe('*3');
    for (let index = 0; index < 6; index++) await client.line();
    expect(await client.ask('CLUSTER', 'GETKEYSINSLOT', '16384', '3')).toBe('-ERR Invalid slot');
    expect(await client.ask('CLUSTER', 'COUNTKEYSINSLOT', 'x')).toBe('-ERR Invalid or out of range slot');
  });
});

/** A key of a shard. */
function keyOf(shard: number): string {
  return keys.find((key) => cluster.topology.slots.ownerOf(slotOf(Buffer.from(key))) === `shard-${shard}`)!;
}
