/** Bytes of any kind to this door and to a real redis-server: what comes back is the same, byte by byte. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster } from '../../router/testing/cluster.ts';
import { TestExecutor } from '../../router/testing/test-executor.ts';
import { hasRedisServer, RedisServer } from '../../testing/redis-server.ts';
import { fuzzedFrames } from './testing/frames.ts';
import { OpenDoor } from './testing/open-door.ts';
import { RespClient } from './testing/resp-client.ts';

/** Each tells something of its own server. */
const tellsItself = /client|command|hello/i;
const streams = 300;
const framesPerStream = 12;

describe.skipIf(!hasRedisServer())('held against a real redis-server', () => {
  const executor = new TestExecutor('shard');
  let redis: RedisServer;
  let open: OpenDoor;
  let cluster: Cluster;
  let openAtRouter: OpenDoor;
  beforeAll(async () => {
    redis = await RedisServer.start();
    open = await OpenDoor.open(executor);
    cluster = await Cluster.start(3);
    openAtRouter = await OpenDoor.open(cluster.router);
  });
  afterAll(async () => {
    await open[Symbol.asyncDispose]();
    await openAtRouter[Symbol.asyncDispose]();
    await cluster.stop();
    await redis.stop();
    executor.close();
  });

  async function answerOf(port: number, input: Buffer): Promise<string> {
    const client = await RespClient.open(port);
    client.socket.end(input);
    return await client.untilEnd();
  }

  test('streams of frames, right and wrong, get the same bytes', async () => {
    const frames = fuzzedFrames(11);
    for (let stream = 0; stream < streams; stream++) {
      const parts: Buffer[] = [];
      while (parts.length < framesPerStream) {
        const { bytes } = frames.next().value;
        // Redis looks for line ends as C does, and finds none behind a zero byte.
        if (!bytes.includes(0) && !tellsItself.test(bytes.toString('latin1'))) parts.push(bytes);
      }
      const input = Buffer.concat(parts);
      const [ours, theirs] = await Promise.all([answerOf(open.port, input), answerOf(redis.port, input)]);
      expect(ours, JSON.stringify(input.toString('latin1'))).toBe(theirs);
    }
  });

  test.each([
    [2, 'a shard'],
    [3, 'a shard'],
    [2, 'a router with three shards'],
    [3, 'a router with three shards'],
  ] as const)('each type of value is shown the same in RESP%i by %s', async (protocol, where) => {
    // Of one item each: in which order a hash or a set lists several is its own business.
    const prelude = ['FLUSHALL', `HELLO ${protocol}`];
    const commands = [
      'SET s 1.5',
      'INCRBYFLOAT s 1',
      'MGET s none',
      'GET none',
      'HSET h f 1.5',
      'HGETALL h',
      'HGETALL none',
      'HMGET h f none',
      'HINCRBYFLOAT h f 1',
      'HRANDFIELD h 1 WITHVALUES',
      'HRANDFIELD h',
      'HKEYS h',
      'HSCAN h 0',
      'RPUSH l a b',
      'LRANGE l 0 -1',
      'LPOP none',
      'LPOP none 2',
      'LPOP l 1',
      'LPOS l none',
      'SADD e m',
      'SMEMBERS e',
      'SINTER e e',
      'SUNION e none',
      'SDIFF none e',
      'SRANDMEMBER e 1',
      'SMISMEMBER e m none',
      'SPOP e 1',
      'SPOP none',
      'SPOP none 1',
      'ZADD z 1.5 m',
      'ZADD z INCR 1 m',
      'ZADD z NX INCR 1 m',
      'ZSCORE z m',
      'ZSCORE z none',
      'ZMSCORE z m none',
      'ZINCRBY z 1 m',
      'ZRANGE z 0 -1',
      'ZRANGE z 0 -1 WITHSCORES',
      'ZREVRANGE z 0 -1 WITHSCORES',
      'ZRANGEBYSCORE z -inf +inf WITHSCORES',
      'ZRANDMEMBER z 1 WITHSCORES',
      'ZINTER 1 z WITHSCORES',
      'ZUNION 1 z WITHSCORES',
      'ZDIFF 1 z WITHSCORES',
      'ZRANK z none',
      'ZADD z inf n',
      'ZPOPMAX z',
      'ZPOPMIN z 1',
      'ZPOPMIN none',
      'ZMPOP 1 z MIN',
      'LMPOP 1 none LEFT',
      'LMPOP 1 l LEFT COUNT 5',
      // Fewer keys than announced: what stands in their place is in many slots, and none of it is a key.
      'LMPOP 3 l none LEFT',
      'LMPOP 9 l none LEFT COUNT 1',
      'LMPOP 0 l LEFT',
      'ZMPOP 5 z none MIN COUNT 2',
      'ZMPOP x z none MIN',
      'SINTERCARD 3 e none',
      'SINTERCARD 4 e none LIMIT 1',
      'ZINTERCARD 3 z none',
      'ZINTER 5 z none WITHSCORES',
      'ZUNION 99999999999 z none',
      'TYPE l',
      'SCAN 0 MATCH none',
      'OBJECT ENCODING none',
      'OBJECT ENCODING s',
      'EXISTS s',
      'LPUSH s x',
    ];
    const replies = async (port: number): Promise<string[]> => {
      using client = await RespClient.open(port);
      const answers: string[] = [];
      for (const line of [...prelude, ...commands]) {
        client.write(`${line}\r\nECHO end-of-reply\r\n`);
        while (!client.received.endsWith('$12\r\nend-of-reply\r\n')) await client.wait();
        const all = (await client.take(client.received.length)).toString('latin1');
        answers.push(`${line}: ${all.slice(0, -'$12\r\nend-of-reply\r\n'.length)}`);
      }
      return answers.slice(prelude.length);
    };
    const theirs = await replies(redis.port);
    expect(await replies(where === 'a shard' ? open.port : openAtRouter.port)).toEqual(theirs);
  });
});
