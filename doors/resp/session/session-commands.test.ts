import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReplyError } from '../../../commands/reply.ts';
import { TestExecutor } from '../../../router/testing/test-executor.ts';
import { hasRedisServer, RedisServer } from '../../../testing/redis-server.ts';
import { OpenDoor } from '../testing/open-door.ts';
import { encodedRequest } from '../testing/requests.ts';
import { RespClient } from '../testing/resp-client.ts';

const executor = new TestExecutor('shard');
let config: Record<string, unknown> = {};
let open: OpenDoor;

beforeAll(async () => {
  const shard = {
    keys: 3,
    expiring: 2,
    expired: 5,
    evictions: { keys: 6 },
    hot: { bytes: 1_000, bytesMax: 2_000 },
    index: { bytes: 24 },
    disk: { bytes: 9 },
  };
  executor.intercept = ({ name }) =>
    name === 'SHARDINFO' ? Buffer.from(JSON.stringify({ ...shard, reads: { hot: 1, cold: 2, miss: 4 } })) : undefined;
  config = {
    memory: { limit: '1GiB' },
    log: { fsync: 'everysec' },
    log_level: 'info',
    eviction: { enabled: true },
    resp: { idle_timeout: '60s', host: '127.0.0.1' },
  };
  open = await OpenDoor.open(executor, {
    settings: {
      get: () => JSON.stringify(config),
      update: (json) => {
        const changes = JSON.parse(json) as Record<string, unknown>;
        if (changes['log_level'] === 'silent') return 'log_level: no';
        if (changes['resp.idle_timeout'] !== undefined) config['resp'] = { idle_timeout: changes['resp.idle_timeout'] };
        return undefined;
      },
    },
  });
});
afterAll(async () => {
  await open[Symbol.asyncDispose]();
  executor.close();
});

/** The bytes of a bulk string, or of a verbatim one. */
async function textOf(client: RespClient, ...args: string[]): Promise<string> {
  const header = await client.ask(...args);
  const bytes = await client.take(Number(header.slice(1)) + 2);
  return bytes.subarray(0, -2).toString();
}

describe('HELLO, RESET, QUIT', () => {
  test('change the protocol, tell who answers, and end', async () => {
    const client = await open.client();
    client.send('HELLO', '3', 'SETNAME', 'me');
    expect(await client.line()).toBe('%7');
    await client.take(
      '$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n'.length,
    );
    await client.line();
    await client.expect('$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n');
    expect(await textOf(client, 'CLIENT', 'GETNAME')).toBe('me');
    expect(await client.ask('GET', 'none')).toBe('_');
    expect(await client.ask('HELLO', '4')).toBe('-NOPROTO unsupported protocol version');
    expect(await client.ask('HELLO', 'x')).toBe('-ERR Protocol version is not an integer or out of range');
    expect(await client.ask('HELLO', '2', 'WHAT')).toBe("-ERR Syntax error in HELLO option 'WHAT'");
    expect(await client.ask('RESET')).toBe('+RESET');
    expect(await client.ask('GET', 'none')).toBe('$-1');
    client.write(Buffer.concat([encodedRequest(['QUIT']), encodedRequest(['PING'])]));
    expect(await client.untilEnd()).toBe('+OK\r\n');
  });

  test('HELLO in the middle of a pipeline counts from there on', async () => {
    using client = await RespClient.open(open.port);
    client.write(
      Buffer.concat([encodedRequest(['GET', 'none']), encodedRequest(['HELLO', '3']), encodedRequest(['GET', 'none'])]),
    );
    await client.expect('$-1\r\n%7\r\n');
  });
});

describe('CLIENT', () => {
  test('tells and takes names, and lists connections', async () => {
    using client = await RespClient.open(open.port);
    const id = Number((await client.ask('CLIENT', 'ID')).slice(1));
    expect(await client.ask('CLIENT', 'SETNAME', 'worker-1')).toBe('+OK');
    expect(await client.ask('CLIENT', 'SETNAME', 'two words')).toBe(
      '-ERR Client names cannot contain spaces, newlines or special characters.',
    );
    expect(await client.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'test')).toBe('+OK');
    expect(await client.ask('CLIENT', 'SETINFO', 'WHAT', 'test')).toBe("-ERR Unrecognized option 'WHAT'");
    expect(await textOf(client, 'CLIENT', 'INFO')).toMatch(new RegExp(`^id=${id} .*name=worker-1 .*lib-name=test`));
    expect(await textOf(client, 'CLIENT', 'LIST', 'ID', `${id}`)).toContain('cmd=client');
    expect(await textOf(client, 'CLIENT', 'LIST', 'TYPE', 'replica')).toBe('');
    expect(await client.ask('CLIENT', 'LIST', 'TYPE', 'x')).toBe("-ERR Unknown client type 'x'");
    for (const words of [
      ['NO-EVICT', 'ON'],
      ['NO-TOUCH', 'OFF'],
    ])
      expect(await client.ask('CLIENT', ...words)).toBe('+OK');
    expect(await client.ask('CLIENT', 'WHAT')).toBe("-ERR unknown subcommand 'WHAT'. Try CLIENT HELP.");
    expect(await client.ask('CLIENT', 'ID', 'x')).toBe("-ERR wrong number of arguments for 'client|id' command");
  });

  test('REPLY leaves out what is not wanted', async () => {
    using client = await RespClient.open(open.port);
    const commands = [
      ['ECHO', 'a'],
      ['CLIENT', 'REPLY', 'SKIP'],
      ['ECHO', 'skipped'],
      ['ECHO', 'b'],
      ['CLIENT', 'REPLY', 'OFF'],
      ['ECHO', 'off'],
      ['EXISTS', 'off'],
      ['CLIENT', 'REPLY', 'ON'],
      ['ECHO', 'c'],
    ];
    client.write(Buffer.concat(commands.map((args) => encodedRequest(args))));
    await client.expect('$1\r\na\r\n$1\r\nb\r\n+OK\r\n$1\r\nc\r\n');
  });

  test('KILL ends others, and the connection itself where that is asked for', async () => {
    const victim = await open.client();
    const killer = await open.client();
    const id = (await victim.ask('CLIENT', 'ID')).slice(1);
    expect(await killer.ask('CLIENT', 'KILL', 'ID', id)).toBe(':1');
    expect(await victim.untilEnd()).toBe('');
    expect(await killer.ask('CLIENT', 'KILL', '1.2.3.4:5')).toBe('-ERR No such client');
    expect(await killer.ask('CLIENT', 'KILL', 'ID', 'x')).toBe('-ERR client-id should be greater than 0');
    const own = (await killer.ask('CLIENT', 'ID')).slice(1);
    expect(await killer.ask('CLIENT', 'KILL', 'ID', own)).toBe(':0');
    expect(await killer.ask('CLIENT', 'KILL', 'ID', own, 'SKIPME', 'no')).toBe(':1');
    await killer.untilEnd();
  });
});

describe('COMMAND', () => {
  test('describes commands as Redis does', async () => {
    using client = await RespClient.open(open.port);
    client.send('COMMAND', 'INFO', 'get', 'nothing', 'mset');
    await client.expect(
      '*3\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*2\r\n+@keyspace\r\n+@read\r\n*0\r\n*0\r\n*0\r\n$-1\r\n',
    );
    await client.expect('*10\r\n$4\r\nmset\r\n:-3\r\n*2\r\n+write\r\n+denyoom\r\n:1\r\n:-1\r\n:2\r\n');
    await client.expect('*2\r\n+@keyspace\r\n+@write\r\n*0\r\n*0\r\n*0\r\n');
    client.send('COMMAND', 'GETKEYS', 'MSET', 'a', '1', 'b', '2');
    await client.expect('*2\r\n$1\r\na\r\n$1\r\nb\r\n');
    expect(await client.ask('COMMAND', 'GETKEYS', 'PING', 'x')).toBe('-ERR The command has no key arguments');
    expect(await client.ask('COMMAND', 'GETKEYS', 'nothing', 'x')).toBe('-ERR Invalid command specified');
    client.send('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'm?et');
    await client.expect('*2\r\n$4\r\nmget\r\n$4\r\nmset\r\n');
    const count = Number((await client.ask('COMMAND', 'COUNT')).slice(1));
    expect(await client.ask('COMMAND')).toBe(`*${count}`);
  });

  test('commands of ours are unknown here', async () => {
    using client = await RespClient.open(open.port);
    for (const name of ['SHARDINFO', 'SETTINGS.GET', 'BLOCK.GET', 'PREFIXSCAN']) {
      expect(await client.ask(name, 'x')).toBe(`-ERR unknown command '${name}', with args beginning with: 'x' `);
    }
  });
});

describe('CONFIG and INFO', () => {
  test('tell settings by the names of Redis, and change those that may change', async () => {
    using client = await RespClient.open(open.port);
    client.send('CONFIG', 'GET', 'max*', 'timeout');
    await client.expect('*8\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$9\r\nmaxmemory\r\n$10\r\n1073741824\r\n');
    await client.expect('$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n$7\r\ntimeout\r\n$2\r\n60\r\n');
    client.send('CONFIG', 'GET', 'max[mc]*s', '[^a-o]??t', 'sav\\e');
    await client.expect('*6\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$4\r\nport\r\n');
    await client.expect(`$${String(open.port).length}\r\n${open.port}\r\n$4\r\nsave\r\n$0\r\n\r\n`);
    expect(await client.ask('CONFIG', 'SET', 'timeout', '5', 'save', '')).toBe('+OK');
    client.send('CONFIG', 'GET', 'timeout');
    await client.expect('*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n');
    expect(await client.ask('CONFIG', 'SET', 'port', '1')).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config",
    );
    expect(await client.ask('CONFIG', 'SET', 'nothing', '1')).toBe(
      "-ERR Unknown option or number of arguments for CONFIG SET - 'nothing'",
    );
    expect(await client.ask('CONFIG', 'SET', 'loglevel', 'nothing')).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'loglevel') - log_level: no",
    );
    expect(await client.ask('CONFIG', 'RESETSTAT')).toBe('+OK');
  });

  test('INFO has what exporters read', async () => {
    using client = await RespClient.open(open.port);
    const info = await textOf(client, 'INFO');
    const fields = Object.fromEntries(
      info.split('\r\n').flatMap((line) => (line.includes(':') ? [line.split(/:(.*)/).slice(0, 2)] : [])),
    ) as Record<string, string>;
    expect(fields).toMatchObject({
      redis_version: '7.2.0',
      redis_mode: 'standalone',
      role: 'master',
      loading: '0',
      maxmemory: `${2 ** 30}`,
      used_memory: '1024',
      keyspace_hits: '3',
      keyspace_misses: '4',
      expired_keys: '5',
      evicted_keys: '6',
      aof_enabled: '1',
      cluster_enabled: '0',
      db0: 'keys=3,expires=2,avg_ttl=0',
    });
    for (const name of [
      'uptime_in_seconds',
      'connected_clients',
      'total_commands_processed',
      'used_cpu_sys',
      'rejected_connections',
    ]) {
      expect(Number(fields[name])).not.toBeNaN();
    }
    expect(await textOf(client, 'INFO', 'replication')).toMatch(/^# Replication\r\nrole:master\r\n/);
    expect(await textOf(client, 'INFO', 'commandstats')).toMatch(/cmdstat_info:calls=\d+,usec=\d+,usec_per_call=/);
  });
});

describe.skipIf(!hasRedisServer())('held against a real redis-server', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  test('what is wrong is said in the same words', async () => {
    using client = await RespClient.open(open.port);
    const requests = [
      ['nothing'],
      ['nothing', 'a', 'b'.repeat(200), 'c'],
      ['x'.repeat(200), 'y'],
      ['no\r\nthing', 'a\r\nb'],
      ['GET'],
      ['get', 'a', 'b'],
      ['PING', 'a', 'b'],
      ['ECHO'],
      ['SELECT', 'x'],
      ['CLIENT'],
      ['CLIENT', 'nothing'],
      ['client', 'getname', 'x'],
      ['CLIENT', 'REPLY', 'MAYBE'],
      ['CLIENT', 'KILL', 'nobody'],
      ['CLIENT', 'KILL', 'ID', '0'],
      ['CLIENT', 'LIST', 'TYPE', 'x'],
      ['CLIENT', 'LIST', 'ID', 'x'],
      ['CLIENT', 'SETNAME', 'a b'],
      ['COMMAND', 'nothing'],
      ['COMMAND', 'GETKEYS', 'nothing'],
      ['COMMAND', 'GETKEYS', 'nothing', 'x'],
      ['COMMAND', 'GETKEYS', 'ping', 'x'],
      ['COMMAND', 'GETKEYS', 'get', 'a', 'b'],
      ['CONFIG', 'SET', 'port', '1', 'x'],
      ['CONFIG', 'SET', 'nothing', '1'],
      ['CONFIG', 'nothing'],
      ['HELLO', '9'],
      ['HELLO', 'x'],
      ['AUTH', 'x'],
      ['AUTH'],
      ['RESET', 'x'],
    ];
    const ours: string[] = [];
    const theirs: unknown[] = [];
    for (const [name, ...args] of requests) {
      const reply = await redis.run(name!, ...args);
      theirs.push(reply instanceof ReplyError ? `-${reply.code} ${reply.message}` : reply);
      ours.push(await client.ask(name!, ...args));
    }
    expect(ours).toEqual(theirs);
  });
});
