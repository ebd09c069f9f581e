/** S1's REST API over a real engine; every answer is also held against the OpenAPI document that the door publishes. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { libraryContext } from '../../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../../commands/reply.ts';
import { type StoredType, storedTypes } from '../../../commands/stored-type.ts';
import { decodeClock, encodeClock } from '../../../commands/vector-clock.ts';
import { httpBodyBytesMax, httpListedValueBytesMax, httpValueBytesMax } from '../../../limits.ts';
import { TestApi } from '../testing/api.ts';

let api: TestApi;
beforeEach(async () => {
  api = await TestApi.open();
});
afterEach(() => api.close());

const post = (path: string, body: unknown): ReturnType<TestApi['ask']> => api.ask('POST', `/api/v1/${path}`, body);
const get = (path: string): ReturnType<TestApi['ask']> => api.ask('GET', `/api/v1/${path}`);

describe('one key', () => {
  test('is set, got and deleted in the words of the Go KVCache', async () => {
    expect(await post('set', { key: 'a', value: 'one', ttl: 0 })).toMatchObject({
      status: 200,
      body: { success: true, message: 'key set successfully' },
    });
    expect(await get('get/a')).toMatchObject({ status: 200, body: { key: 'a', value: 'one' } });
    expect(await api.ask('DELETE', '/api/v1/delete/a')).toMatchObject({
      status: 200,
      body: { success: true, message: 'key deleted successfully' },
    });
    expect(await get('get/a')).toMatchObject({ status: 404, body: { error: 'key not found: a' } });
    expect(await api.ask('DELETE', '/api/v1/delete/a')).toMatchObject({ status: 200 });
  });

  test('may be any bytes, percent-encoded, slashes as they are', async () => {
    await post('set', { key: 'a/b ü?', value: 'x' });
    expect((await get('get/a/b%20%C3%BC%3F')).body).toEqual({ key: 'a/b ü?', value: 'x' });
    expect(await get('get/%zz')).toMatchObject({ status: 400, body: { error: /percent-encoded/ } });
    expect(await get('get/')).toMatchObject({ status: 400, body: { error: 'invalid request: empty key' } });
  });

  test('has values of any bytes, as base64 where they are no text', async () => {
    await post('set', { key: 'bytes', value: '/wABAg==', encoding: 'base64' });
    expect((await get('get/bytes')).body).toEqual({ key: 'bytes', value: '/wABAg==', encoding: 'base64' });
    await post('set', { key: 'text', value: Buffer.from('grün').toString('base64'), encoding: 'base64' });
    expect((await get('get/text')).body).toEqual({ key: 'text', value: 'grün' });
    expect(await post('set', { key: 'k', value: '?', encoding: 'base64' })).toMatchObject({
      status: 400,
      body: { error: 'invalid request: value is no base64' },
    });
  });

  test('expires after ttl seconds, and 0 is never', async () => {
    await post('set', { key: 'mortal', value: 'x', ttl: 100 });
    await post('set', { key: 'forever', value: 'x' });
    const ttl = async (key: string): Promise<unknown> =>
      api.cache.engineReply(
        { name: 'TTL', args: [Buffer.from(key)] },
        { session: { door: 'http', peer: '', tenant: '' }, deadlineMs: Infinity },
      );
    expect([await ttl('mortal'), await ttl('forever')]).toEqual([100, -1]);
    for (const wrong of [-1, 1.5, '5', null]) {
      expect(await post('set', { key: 'k', value: 'x', ttl: wrong })).toMatchObject({ status: 400 });
    }
  });

  test('is refused with what would be right', async () => {
    const fault = async (body: unknown): Promise<unknown> => (await post('set', body)).body;
    expect(await fault({ key: '', value: 'x' })).toEqual({ error: 'invalid request: empty key' });
    expect(await fault({ key: 'k' })).toEqual({ error: expect.stringMatching(/^invalid request: value: /) });
    expect(await fault({ key: 'k', value: 5 })).toEqual({ error: expect.stringMatching(/expected string/) });
    expect(await fault('{')).toEqual({ error: expect.stringMatching(/^invalid request: the body is no JSON: /) });
    expect(await fault('[]')).toEqual({ error: expect.stringMatching(/expected object/) });
    expect(await fault(undefined)).toEqual({ error: expect.stringMatching(/a body of JSON is expected/) });
    expect(await fault({ key: 'k'.repeat(70_000), value: '' })).toEqual({
      error: expect.stringMatching(/the key has 70000 bytes; at most 65536/),
    });
  });

  test('answers what the cluster cannot do by its kind', async () => {
    const statuses = { UNAVAILABLE: 503, TRYAGAIN: 503, TIMEOUT: 504, MOVED: 421, DISKFULL: 500, ERR: 400 } as const;
    for (const [code, status] of Object.entries(statuses)) {
      api.cache.intercept = () => new ReplyError(code as keyof typeof statuses, 'because');
      const error = status === 400 ? 'invalid request: because' : 'failed to get key: because';
      expect(await get('get/k')).toMatchObject({ status, body: { error, code } });
    }
  });

  test('is written as safely as the request asks', async () => {
    api.cache.intercept = () => OK;
    const body = { key: 'k', value: 'x' };
    await api.ask('POST', '/api/v1/set', body, { 'kvcache-acknowledgement': 'disk' });
    expect(api.cache.seen.at(-1)?.context).toMatchObject({ acknowledgement: 'disk', session: { door: 'http' } });
    expect(await api.ask('POST', '/api/v1/set', body, { 'kvcache-acknowledgement': 'paper' })).toMatchObject({
      status: 400,
    });
  });
});

describe('several keys', () => {
  test('are set, got and deleted at once', async () => {
    expect(await post('mset', { kvs: { a: '1', b: '2' } })).toMatchObject({
      status: 200,
      body: { success: true, message: 'keys set successfully', count: 2 },
    });
    expect((await post('mset', { key_values: { c: '3', __proto__x: '4' }, ttl: 60 })).body).toMatchObject({ count: 2 });
    expect((await post('mget', { keys: ['a', 'c', 'none'] })).body).toEqual({
      keys: ['a', 'c', 'none'],
      count: 2,
      results: { a: '1', c: '3' },
    });
    expect((await post('mdelete', { keys: ['a', 'b', 'none'] })).body).toEqual({
      success: true,
      message: 'keys deleted successfully',
      count: 3,
      deleted: 2,
    });
  });

  test('include one that JavaScript has other uses for', async () => {
    expect((await post('mset', '{"kvs":{"__proto__":"x"}}')).body).toMatchObject({ count: 1 });
    expect(await get('get/__proto__')).toMatchObject({ status: 200, body: { value: 'x' } });
    expect(JSON.stringify((await post('mget', { keys: ['__proto__'] })).body)).toContain('{"__proto__":"x"}');
  });

  test('tell beside the map which values are base64', async () => {
    await post('mset', { kvs: { a: '/w==', b: 'aGk=' }, encoding: 'base64' });
    expect((await post('mget', { keys: ['a', 'b'] })).body).toMatchObject({
      results: { a: '/w==', b: 'hi' },
      encodings: { a: 'base64' },
    });
  });

  test('are refused where there are none, an empty one, or no strings', async () => {
    for (const path of ['mget', 'mdelete']) {
      expect(await post(path, { keys: [] })).toMatchObject({
        status: 400,
        body: { error: 'invalid request: empty keys' },
      });
      expect(await post(path, { keys: [''] })).toMatchObject({ status: 400 });
      expect(await post(path, {})).toMatchObject({ status: 400 });
    }
    expect(await post('mset', {})).toMatchObject({ status: 400, body: { error: 'invalid request: empty keys' } });
    expect(await post('mset', { kvs: { a: 1 } })).toMatchObject({ status: 400, body: { error: /values are strings/ } });
    expect(await post('mset', { kvs: { a: '?' }, encoding: 'base64' })).toMatchObject({ status: 400 });
  });
});

describe('a scan', () => {
  beforeEach(async () => {
    const kvs = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`user:${n}`, `v${n}`]));
    await post('mset', { kvs: { ...kvs, other: 'x' } });
  });

  test('honours its limit, a hundred by default, a thousand at most', async () => {
    expect((await get('scan?prefix=user:&limit=7')).body).toMatchObject({ prefix: 'user:', limit: 7, count: 7 });
    expect((await get('scan?prefix=user:')).body).toMatchObject({ limit: 100, count: 100 });
    expect((await get('scan?prefix=user:&limit=5000')).body).toMatchObject({ limit: 1000, count: 250 });
    expect((await get('scan')).body).toMatchObject({ prefix: '', count: 100 });
    expect((await get('scan?prefix=none')).body).toEqual({ prefix: 'none', limit: 100, count: 0, results: {} });
    expect(await get('scan?limit=many')).toMatchObject({ status: 400 });
  });

  test('goes on where it ended until everything was seen', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await get(`scan?prefix=user:&limit=60&cursor=${cursor}`);
      const page = body as { results: Record<string, string>; cursor?: string };
      seen.push(...Object.keys(page.results));
      cursor = page.cursor ?? '';
    } while (cursor !== '');
    expect([seen.length, new Set(seen).size]).toEqual([250, 250]);
    expect(await get('scan?cursor=AAAAAAAAAAAAAA')).toMatchObject({ status: 400, body: { error: /cursor/ } });
  });

  test('tells keys that are not text apart', async () => {
    await api.cache.engineReply(
      { name: 'SET', args: [Buffer.from([0x75, 0xff]), Buffer.from('x')] },
      { session: { door: 'http', peer: '', tenant: '' }, deadlineMs: Infinity },
    );
    expect((await get('scan?prefix=u&limit=1000')).body).toMatchObject({
      count: 251,
      binary: [{ key: 'df8=', value: 'x' }],
    });
    const { body } = await get('keys?prefix=u&limit=1000');
    expect((body as { keys: object[] }).keys).toContainEqual({ key: 'df8=', encoding: 'base64' });
    expect(await get('get/u%ff')).toMatchObject({ status: 200, body: { value: 'x' } });
  });
});

const run = async (name: string, ...args: (string | Buffer)[]): Promise<Reply> =>
  api.cache.engineReply({ name, args: args.map((arg) => Buffer.from(arg as string)) }, libraryContext(5_000));

describe('a key with vector clocks', () => {
  const clock = (counters: Record<string, bigint>): Buffer => encodeClock(new Map(Object.entries(counters)));

  test('shows its siblings, each with its version, and a deletion as one', async () => {
    const first = (await run('VERSION.PUT', 'v', 'one', '0', '')) as [string, Buffer];
    const seen = decodeClock(first[1]).clock;
    const node = [...seen.keys()][0]!;
    await run('VERSION.PUT', 'v', 'two', '0', clock({ elsewhere: 9_007_199_254_740_993n }));
    expect((await get('keys/v')).body).toMatchObject({
      type: 'versioned',
      value: 'two',
      siblings: [
        { version: { elsewhere: '9007199254740993', [node]: '2' }, is_deleted: false, value: 'two' },
        { version: { [node]: '1' }, is_deleted: false, value: 'one', is_truncated: false },
      ],
    });
    await run('VERSION.DEL', 'v', clock({ third: 1n }));
    const { siblings } = (await get('keys/v?preview=2')).body as { siblings: object[] };
    expect(siblings).toMatchObject([{ is_deleted: true }, { value: 'tw', is_truncated: true }, { value: 'on' }]);
    expect((await get('keys/v?preview=0')).body).not.toHaveProperty('siblings');
  });

  test('shows none once another door has made one value of them, and fails where its shard does', async () => {
    await run('VERSION.PUT', 'v', 'one', '0', '');
    api.cache.intercept = ({ name }) => (name === 'VERSION.GET' ? new ReplyError('UNAVAILABLE', 'away') : undefined);
    expect(await get('keys/v')).toMatchObject({ status: 503 });
    api.cache.intercept = ({ name }) => (name === 'VERSION.GET' ? null : undefined);
    expect((await get('keys/v')).body).not.toHaveProperty('siblings');
  });
});

describe('a value of the binary protocol', () => {
  const written = [
    ['text', 'grün', 'text', 'grün'],
    ['int', '-9223372036854775808', 'int', '-9223372036854775808'],
    ['float', '1e-3', 'float', '0.001'],
    ['float', 'nan', 'float', 'nan'],
    ['decimal', '19.90', 'decimal', '19.90'],
    ['bool', 'false', 'bool', 'false'],
    ['null', '', 'null', null],
    ['bytes', '7', 'bytes', '7'],
  ] as const;
  test.each(written)('of kind %s is written as its text %j', async (type, text, kind, value) => {
    expect(await api.ask('PUT', `/api/v1/values/k?type=${type}&ttl=60`, text)).toMatchObject({ status: 200 });
    expect((await get('keys/k')).body).toMatchObject({ type: kind, value });
    expect(await run('TTL', 'k')).toBe(60);
  });

  const wrong = [
    ['int', '9223372036854775808'],
    ['int', '1.5'],
    ['float', 'much'],
    ['decimal', '1,5'],
    ['bool', 'yes'],
    ['null', 'x'],
    ['text', Buffer.from([0xff])],
    ['list', '[]'],
  ] as const;
  test.each(wrong)('of kind %s is refused where the text is none: %j', async (type, text) => {
    expect(await api.ask('PUT', `/api/v1/values/k?type=${type}`, text)).toMatchObject({ status: 400 });
    expect(await run('EXISTS', 'k')).toBe(0);
  });
});

describe('keys that hold no text', () => {
  beforeEach(async () => {
    await run('HSET', 'c:hash', 'f', 'ü', 'g', '2');
    await run('RPUSH', 'c:list', 'b', 'a');
    await run('SADD', 'c:set', 'y', 'x');
    await run('ZADD', 'c:sorted', '1.5', 'a', '+inf', 'b');
    await run('SET', 'c:text', 'value');
  });
  const collections = [
    { key: 'c:hash', type: 'hash', bytes: expect.any(Number), value: { f: 'ü', g: '2' } },
    { key: 'c:list', type: 'list', bytes: expect.any(Number), value: ['b', 'a'] },
    { key: 'c:set', type: 'set', bytes: expect.any(Number), value: ['x', 'y'] },
    {
      key: 'c:sorted',
      type: 'zset',
      bytes: expect.any(Number),
      value: [
        ['a', 1.5],
        ['b', 'inf'],
      ],
    },
  ];

  test('are listed by a scan beside those that do, with type and value', async () => {
    expect((await get('scan?prefix=c:')).body).toEqual({
      prefix: 'c:',
      limit: 100,
      count: 5,
      results: { 'c:text': 'value' },
      others: collections,
    });
    // Few at a time they are all seen, too.
    let cursor = '';
    let count = 0;
    do {
      const { body } = await get(`scan?prefix=c:&limit=2&cursor=${cursor}`);
      const page = body as { count: number; cursor?: string };
      count += page.count;
      cursor = page.cursor ?? '';
    } while (cursor !== '');
    expect(count).toBe(5);
  });

  test('are among several that are asked for, and those that are not there are not', async () => {
    const keys = ['c:text', 'c:set', 'none', 'c:hash', 'c:set'];
    expect((await post('mget', { keys })).body).toEqual({
      keys,
      count: 3,
      results: { 'c:text': 'value' },
      others: [collections[2], collections[0]],
    });
  });

  test('are lists, maps and Null of the binary protocol too, with exact numbers; and JSON that is text is none', async () => {
    const value = (key: string, type: StoredType, body: Buffer): Promise<Reply> =>
      run('VALUE.SET', key, `${type}`, body, '0');
    // One item, an Int: 2^53 + 1.
    await value('t:list', storedTypes.array, Buffer.from('00000001010020000000000001', 'hex'));
    await value('t:null', storedTypes.null, Buffer.alloc(0));
    await run('SET', 't:text', '[1]');
    await run('SET', 't:empty', '');
    const others = [
      { key: 't:list', type: 'array', bytes: 13, value: [2 ** 53] },
      { key: 't:null', type: 'null', bytes: 0, value: null },
    ];
    const results = { 't:empty': '', 't:text': '[1]' };
    expect((await get('scan?prefix=t:')).body).toMatchObject({ count: 4, results, others });
    const keys = ['t:list', 't:null', 't:text', 't:empty'];
    expect((await post('mget', { keys })).body).toMatchObject({ count: 4, results, others });
    const written = await (await fetch(`${api.url}/api/v1/scan?prefix=t:list`)).text();
    expect(written).toContain('"value":[9007199254740993]');
  });

  test('are told as base64 where a key or a member is not text', async () => {
    await run('RPUSH', Buffer.from([0x64, 0xff]), 'a', Buffer.from([0xff]));
    expect((await get('scan?prefix=d')).body).toMatchObject({
      others: [{ key: 'ZP8=', encoding: 'base64', type: 'list', value: ['YQ==', '/w=='], value_encoding: 'base64' }],
    });
  });

  test('are listed without their value where that is large, or where all together are', async () => {
    await run('HSET', 'large', 'f', 'x'.repeat(httpListedValueBytesMax));
    const { body } = await get('scan?prefix=large');
    expect(body).toMatchObject({ count: 1, others: [{ key: 'large', type: 'hash' }] });
    expect(JSON.stringify(body)).not.toContain('xxx');
    const bytes = httpListedValueBytesMax / 2;
    const wrongType = new ReplyError('WRONGTYPE', 'no text');
    api.cache.intercept = ({ name, args }) => {
      if (name === 'TEXT.MGET') return args.map(() => wrongType);
      return name === 'KEY.INFO' ? Buffer.from(JSON.stringify({ type: 'list', bytes, tier: 'ram' })) : undefined;
    };
    const keys = Array.from({ length: (2 * httpValueBytesMax) / bytes }, (_, number) => `none:${number}`);
    const listed = (await post('mget', { keys })).body as { others: { value?: unknown }[] };
    expect(listed.others.length).toBe(keys.length);
    expect(listed.others.filter(({ value }) => value !== undefined).length).toBe(keys.length / 2);
  });

  test('are the only keys of mget that are asked about by themselves', async () => {
    await run('SET', 'text', 'x');
    const asked: string[] = [];
    api.cache.intercept = ({ name, args }) => {
      if (name === 'KEY.INFO') asked.push(args[0]!.toString());
      return undefined;
    };
    const { body } = await post('mget', { keys: ['text', 'none:1', 'c:hash', 'none:2', 'c:list'] });
    expect(body).toMatchObject({ count: 3, results: { text: 'x' } });
    expect(asked).toEqual(['c:hash', 'c:list']);
  });

  test('fail the answer where their shard does', async () => {
    api.cache.intercept = ({ name }) => (name === 'HGETALL' ? new ReplyError('UNAVAILABLE', 'away') : undefined);
    expect(await get('scan?prefix=c:')).toMatchObject({ status: 503, body: { error: 'failed to scan keys: away' } });
    expect(await post('mget', { keys: ['c:hash'] })).toMatchObject({ status: 503 });
  });
});

describe('the configuration', () => {
  test('is read, changed, and refused with every fault', async () => {
    await api.close();
    let batch = 100;
    let updates = 0;
    api = await TestApi.open({
      metrics: { configUpdated: () => updates++, figures: () => ({}) },
      config: {
        get: () => JSON.stringify({ eviction: { batch_size: batch } }),
        update: (json) => {
          const asked = (JSON.parse(json) as { eviction?: { batch_size: number } }).eviction?.batch_size;
          if (asked === undefined) return 'grpc.port does not change';
          batch = asked;
          return undefined;
        },
      },
    });
    expect((await get('config')).body).toEqual({ eviction: { batch_size: 100 } });
    expect((await post('config', { eviction: { batch_size: 7 } })).body).toEqual({
      success: true,
      message: 'config updated successfully',
      config: { eviction: { batch_size: 7 } },
    });
    expect(await post('config', { grpc: { port: 1 } })).toMatchObject({
      status: 400,
      body: { error: 'invalid request: grpc.port does not change' },
    });
    expect(await post('config', '[]')).toMatchObject({ status: 400 });
    expect(updates).toBe(1);
  });
});

describe('bodies', () => {
  test('above their bound are answered with 413, whether their length is told or not', async () => {
    const large = 'x'.repeat(httpBodyBytesMax + 1);
    expect(await post('set', large)).toMatchObject({ status: 413, body: { code: 'TOOLARGE' } });
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(1 << 20));
      },
    });
    const response = await fetch(`${api.url}/api/v1/set`, { method: 'POST', body: stream, duplex: 'half' });
    expect(response.status).toBe(413);
    expect(await get('scan')).toMatchObject({ status: 200 });
  });

  test('take room as they arrive and give it back, also when their sender goes away', async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write('POST /api/v1/set HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n');
    socket.write(Buffer.alloc(1_000_000));
    await expect.poll(() => api.door.bytesInFlight).toBe(1_000_000);
    socket.destroy();
    await expect.poll(() => api.door.bytesInFlight).toBe(0);
    await post('set', { key: 'k', value: 'x'.repeat(1_000_000) });
    await get('get/k');
    await expect.poll(() => api.door.bytesInFlight).toBe(0);
  });
});

test('while the process starts and stops, the API answers 503 and health what is true', async () => {
  await api.document();
  let release!: (reply: null) => void;
  api.cache.intercept = () => new Promise((resolve) => (release = resolve));
  const asked = get('get/k');
  await expect.poll(() => api.cache.seen.length).toBe(1);
  const drained = api.door.drain(60_000);
  expect(await get('get/k')).toMatchObject({ status: 503, body: { error: 'the service is stopping' } });
  expect(await get('health')).toMatchObject({ status: 200 });
  release(null);
  expect(await asked).toMatchObject({ status: 404 });
  await drained;
});

test('a page of another site changes nothing', async () => {
  const { status } = await api.ask('POST', '/api/v1/set', '{"key":"k","value":"x"}', {
    'sec-fetch-site': 'cross-site',
  });
  expect([status, api.cache.seen]).toEqual([403, []]);
});
