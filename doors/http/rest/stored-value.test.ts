/** What HTTP makes of each stored type. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { libraryContext } from '../../../commands/command.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { TestApi } from '../testing/api.ts';

let api: TestApi;
/** What KEY.INFO answers, which the engine alone cannot. */
const types = new Map<string, string>();

beforeAll(async () => {
  api = await TestApi.open();
  api.cache.intercept = ({ name, args }) => {
    if (name !== 'KEY.INFO') return undefined;
    const type = types.get(args[0]!.toString());
    return type === undefined ? null : Buffer.from(JSON.stringify({ type, bytes: 1, tier: 'ram' }));
  };
});
afterAll(() => api.close());

async function store(type: string, name: string, key: string, ...args: (string | Buffer)[]): Promise<void> {
  types.set(key, type);
  const all = [key, ...args].map((arg) => Buffer.from(arg as string));
  const reply = await api.cache.engineReply({ name, args: all }, libraryContext(5_000));
  if (reply instanceof ReplyError) throw new Error(reply.message);
}

const valueOf = async (key: string): Promise<unknown> => (await api.ask('GET', `/api/v1/get/${key}`)).body;

test('a hash is an object, a list and a set are arrays', async () => {
  await store('hash', 'HSET', 'hash', 'f', 'ü', 'g', '2');
  await store('list', 'RPUSH', 'list', 'c', 'a', 'b');
  await store('set', 'SADD', 'set', 'y', 'x');
  expect(await valueOf('hash')).toEqual({ key: 'hash', value: { f: 'ü', g: '2' } });
  expect(await valueOf('list')).toEqual({ key: 'list', value: ['c', 'a', 'b'] });
  expect(await valueOf('set')).toEqual({ key: 'set', value: ['x', 'y'] });
});

test('members that are not text make all of them base64', async () => {
  await store('list', 'RPUSH', 'bytes', 'a', Buffer.from([0xff]));
  expect(await valueOf('bytes')).toEqual({ key: 'bytes', value: ['YQ==', '/w=='], encoding: 'base64' });
});

test('text that looks like JSON stays text where that is its type, and is JSON where it is a list or a map', async () => {
  await store('bytes', 'SET', 'text', '{"a":1}');
  await store('map', 'SET', 'map', '{"a":9007199254740993}');
  await store('array', 'SET', 'array', '[1,2');
  expect(await valueOf('text')).toEqual({ key: 'text', value: '{"a":1}' });
  // Exact, which a number of JavaScript is not.
  const exact = await (await fetch(`${api.url}/api/v1/get/map`)).text();
  expect(exact).toBe('{"key":"map","value":{"a":9007199254740993}}\n');
  expect(await valueOf('array')).toEqual({ key: 'array', value: '[1,2' });
});

test('Null is null, and an empty string is one', async () => {
  await store('null', 'SET', 'nothing', '');
  await store('bytes', 'SET', 'empty', '');
  expect(await valueOf('nothing')).toEqual({ key: 'nothing', value: null });
  expect(await valueOf('empty')).toEqual({ key: 'empty', value: '' });
});

test('a sorted set is pairs of members and scores, which are numbers where JSON has them', async () => {
  await store('zset', 'ZADD', 'board', '1.5', 'a', '+inf', 'b');
  expect(await valueOf('board')).toEqual({
    key: 'board',
    value: [
      ['a', 1.5],
      ['b', 'inf'],
    ],
  });
});

test('a type that HTTP cannot show is a conflict', async () => {
  await store('stream', 'HSET', 'odd', 'f', 'v');
  expect(await api.ask('GET', '/api/v1/get/odd')).toMatchObject({ status: 409, body: { code: 'WRONGTYPE' } });
});
