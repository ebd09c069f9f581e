import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Command } from '../../commands/command.ts';
import { OK, type Reply } from '../../commands/reply.ts';
import { socketPipelinedCommandsMax, socketUnsentBytesHigh } from '../../limits.ts';
import { TestExecutor } from '../../router/testing/test-executor.ts';
import { Authenticator } from '../../security/authenticator.ts';
import { fixedSecret } from '../../security/secrets.ts';
import { fuzzedFrames } from './testing/frames.ts';
import { OpenDoor } from './testing/open-door.ts';
import { encodedRequest } from './testing/requests.ts';
import { RespClient } from './testing/resp-client.ts';

const executor = new TestExecutor('shard');
let open: OpenDoor;

beforeAll(async () => {
  open = await OpenDoor.open(executor);
});
beforeEach(() => {
  executor.intercept = undefined;
});
afterAll(async () => {
  await open[Symbol.asyncDispose]();
  executor.close();
});

describe('what the connector of LMCache reads, byte by byte', () => {
  test('GET, SET, EXISTS and DEL', async () => {
    using client = await RespClient.open(open.port);
    for (const [args, reply] of [
      [['SET', 'lm', 'chunk'], '+OK\r\n'],
      [['GET', 'lm'], '$5\r\nchunk\r\n'],
      [['EXISTS', 'lm'], ':1\r\n'],
      [['DEL', 'lm'], ':1\r\n'],
      [['GET', 'lm'], '$-1\r\n'],
      [['EXISTS', 'lm'], ':0\r\n'],
      [['DEL', 'lm'], ':0\r\n'],
    ] as const) {
      client.send(...args);
      await client.expect(reply);
    }
    expect(client.received).toBe('');
  });

  test('a chunk of 32 MiB there and back', async () => {
    using client = await RespClient.open(open.port);
    const value = Buffer.alloc(32 * 1024 * 1024, 'kv');
    client.send('SET', 'large', value);
    await client.expect('+OK\r\n');
    client.send('GET', 'large');
    const header = `$${value.byteLength}\r\n`;
    const reply = await client.take(header.length + value.byteLength + 2);
    expect(reply.subarray(header.length, -2).equals(value)).toBe(true);
    await client.ask('DEL', 'large');
  });
});

test('a nil in place of an array is one of an array in RESP2', async () => {
  using client = await RespClient.open(open.port);
  for (const [args, reply] of [
    [['LPOP', 'none'], '$-1\r\n'],
    [['LPOP', 'none', '2'], '*-1\r\n'],
    [['ZRANK', 'none', 'm'], '$-1\r\n'],
    [['ZRANK', 'none', 'm', 'WITHSCORE'], '*-1\r\n'],
    [['ZREVRANK', 'none', 'm', 'WITHSCORE'], '*-1\r\n'],
  ] as const) {
    client.send(...args);
    await client.expect(reply);
  }
});

describe('a pipeline', () => {
  test('is answered to its end, also where its client has ended its side long before', async () => {
    executor.intercept = () => new Promise<Reply>((resolve) => void setImmediate(() => resolve(null)));
    using client = await RespClient.open(open.port);
    const count = 3 * socketPipelinedCommandsMax;
    client.write(Buffer.concat(Array.from({ length: count }, (_, number) => encodedRequest(['GET', `key-${number}`]))));
    client.socket.end();
    await client.expect('$-1\r\n'.repeat(count));
    await expect.poll(() => client.isEnded).toBe(true);
  });

  test('is answered in order and takes effect in order, with everything answered at once', async () => {
    using client = await RespClient.open(open.port);
    client.write(
      Buffer.concat([encodedRequest(['SET', 'n', '1']), encodedRequest(['GET', 'n']), encodedRequest(['DEL', 'n'])]),
    );
    await client.expect('+OK\r\n$1\r\n1\r\n:1\r\n');
  });

  test('is answered in order where the first is answered last, and those that share no key run side by side', async () => {
    using client = await RespClient.open(open.port);
    const waiting: ((reply: Reply) => void)[] = [];
    executor.intercept = () => new Promise((resolve) => waiting.push(resolve));
    for (const key of ['a', 'b', 'c']) client.send('GET', key);
    client.send('PING');
    await expect.poll(() => waiting.length).toBe(3);
    waiting[2]!(Buffer.from('3'));
    waiting[0]!(Buffer.from('1'));
    await client.expect('$1\r\n1\r\n');
    waiting[1]!(Buffer.from('2'));
    await client.expect('$1\r\n2\r\n$1\r\n3\r\n+PONG\r\n');
  });

  test('waits where commands share a key, or one is about all keys', async () => {
    using client = await RespClient.open(open.port);
    const begun: { name: string; done: (reply: Reply) => void }[] = [];
    executor.intercept = ({ name }: Command) => new Promise((done) => begun.push({ name, done }));
    const commands = [['SET', 'k', '1'], ['GET', 'k'], ['GET', 'k'], ['GET', 'other'], ['DBSIZE'], ['GET', 'last']];
    client.write(Buffer.concat(commands.map((args) => encodedRequest(args))));
    const begunNames = (): string[] => begun.map(({ name }) => name);
    await expect.poll(begunNames).toEqual(['SET', 'GET']);
    begun[0]!.done(OK);
    await expect.poll(begunNames).toEqual(['SET', 'GET', 'GET', 'GET']);
    for (const { done } of begun.slice(1)) done(null);
    await expect.poll(begunNames).toEqual(['SET', 'GET', 'GET', 'GET', 'DBSIZE']);
    begun[4]!.done(7);
    await expect.poll(begunNames).toEqual(['SET', 'GET', 'GET', 'GET', 'DBSIZE', 'GET']);
    begun[5]!.done(null);
    await client.expect('+OK\r\n$-1\r\n$-1\r\n$-1\r\n:7\r\n$-1\r\n');
  });

  test('of a client that sends and reads nothing is not run on and on', async () => {
    using client = await RespClient.open(open.port);
    const value = Buffer.alloc(512 * 1024, 'x');
    let answered = 0;
    executor.intercept = () => {
      answered += 1;
      return value;
    };
    client.socket.pause();
    const count = 100;
    client.write(Buffer.concat(Array.from({ length: count }, () => encodedRequest(['GET', 'k']))));
    await expect.poll(() => open.door.statistics.bytesInFlight).toBeGreaterThan(socketUnsentBytesHigh);
    // What the sockets' buffers hold, and the bound.
    expect(answered).toBeLessThan(count);
    client.socket.resume();
    await client.take(count * (value.byteLength + 11));
    expect(answered).toBe(count);
    await expect.poll(() => open.door.statistics.bytesInFlight).toBe(0);
  });
});

describe('input', () => {
  test('cut at every byte is the same', async () => {
    using client = await RespClient.open(open.port);
    const bytes = Buffer.concat([
      encodedRequest(['SET', 'cut', 'value']),
      encodedRequest(['GET', 'cut']),
      Buffer.from('PING\r\n'),
    ]);
    for (let cut = 1; cut < bytes.byteLength; cut++) {
      client.write(bytes.subarray(0, cut));
      await new Promise(setImmediate);
      client.write(bytes.subarray(cut));
      await client.expect('+OK\r\n$5\r\nvalue\r\n+PONG\r\n');
    }
  });

  test('that is no protocol is told so, behind what was right, and the connection ends', async () => {
    const client = await RespClient.open(open.port);
    client.write('PING\r\n*1\r\n$9223372036854775808\r\n');
    expect(await client.untilEnd()).toBe('+PONG\r\n-ERR Protocol error: invalid bulk length\r\n');
  });

  test('that claims 512 MiB and does not send them costs little', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => open.client()));
    for (const client of clients) client.write('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nx');
    await expect.poll(() => open.door.statistics.bytesInFlight).toBe(20 * 4 * 1024 * 1024);
    for (const client of clients) client.socket.destroy();
    await expect.poll(() => open.door.statistics.bytesInFlight).toBe(0);
  });

  test('of a thousand fuzzed frames harms nobody else', async () => {
    using other = await RespClient.open(open.port);
    let client = await RespClient.open(open.port);
    let frames = 0;
    for (const { bytes } of fuzzedFrames(3)) {
      if (++frames > 1_000) break;
      if (client.isEnded) client = await RespClient.open(open.port);
      client.write(bytes);
      if (frames % 100 === 0) expect(await other.ask('ECHO', 'x')).toBe('$1');
      if (frames % 100 === 0) await other.expect('x\r\n');
    }
    client.socket.destroy();
  });
});

describe('connections', () => {
  test('beyond the bound are told and ended', async () => {
    await using small = await OpenDoor.open(executor, { connectionsMax: 1 });
    const first = await small.client();
    expect(await first.ask('PING')).toBe('+PONG');
    const second = await small.client();
    expect(await second.untilEnd()).toBe('-ERR max number of clients reached\r\n');
    expect(small.door.statistics.refused).toBe(1);
  });

  test('a door that closes answers what it has read, and ends', async () => {
    const small = await OpenDoor.open(executor);
    const client = await small.client();
    const { promise, resolve } = Promise.withResolvers<Reply>();
    executor.intercept = () => promise;
    client.send('GET', 'k');
    await expect.poll(() => small.door.statistics.figures.commands).toBe(1);
    const closed = small.door.close(10_000);
    resolve(Buffer.from('late'));
    expect(await client.untilEnd()).toBe('$4\r\nlate\r\n');
    await closed;
  });
});

describe('where values wait for room', () => {
  test('all of them come through, one after the other', async () => {
    await using small = await OpenDoor.open(executor, { inFlightBytesMax: 6 * 1024 * 1024 });
    const clients = await Promise.all(Array.from({ length: 6 }, () => small.client()));
    const value = Buffer.alloc(5 * 1024 * 1024, 'v');
    await Promise.all(
      clients.map(async (client, index) => {
        client.send('SET', `room-${index}`, value);
        await client.expect('+OK\r\n');
      }),
    );
    await expect.poll(() => small.door.statistics.bytesInFlight).toBe(0);
  });
});

describe('passwords', () => {
  test('are asked for by commands, and taken by AUTH and HELLO', async () => {
    const authenticator = new Authenticator({ password: fixedSecret('open sesame'), token: fixedSecret('t0ken') });
    await using locked = await OpenDoor.open(executor, { authenticator });
    const client = await locked.client();
    expect(await client.ask('GET', 'k')).toBe('-NOAUTH Authentication required.');
    expect(await client.ask('PING')).toBe('-NOAUTH Authentication required.');
    expect(await client.ask('GET')).toBe("-ERR wrong number of arguments for 'get' command");
    expect(await client.ask('HELLO', '3')).toMatch(
      /^-NOAUTH HELLO must be called with the client already authenticated/,
    );
    expect(await client.ask('AUTH', 'wrong')).toBe('-WRONGPASS invalid username-password pair or user is disabled.');
    expect(await client.ask('HELLO', '2', 'AUTH', 'default', 'wrong')).toMatch(/^-WRONGPASS/);
    expect(await client.ask('AUTH', 'open sesame')).toBe('+OK');
    expect(await client.ask('EXISTS', 'k')).toBe(':0');
    const other = await locked.client();
    expect(await other.ask('AUTH', 'somebody', 't0ken')).toBe('+OK');
    expect(await other.ask('RESET')).toBe('+RESET');
    expect(await other.ask('PING')).toBe('-NOAUTH Authentication required.');
  });

  test('a stranger may send little', async () => {
    await using locked = await OpenDoor.open(executor, {
      authenticator: new Authenticator({ password: fixedSecret('p') }),
    });
    const client = await locked.client();
    client.write('*11\r\n');
    expect(await client.untilEnd()).toBe('-ERR Protocol error: unauthenticated multibulk length\r\n');
  });
});
