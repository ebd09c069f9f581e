/** Bytes of any kind to this door and to a real redis-server: what comes back is the same, byte by byte. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
  beforeAll(async () => {
    redis = await RedisServer.start();
    open = await OpenDoor.open(executor);
  });
  afterAll(async () => {
    await open[Symbol.asyncDispose]();
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
});
