import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { tcpPayloadBytesMax, typedDepthMax } from '../../limits.ts';
import { Authenticator, refusalText } from '../../security/authenticator.ts';
import { Refusals } from '../../security/figures.ts';
import { fixedSecret } from '../../security/secrets.ts';
import { commandCodes as codes, frameHead, statusCodes } from './protocol.ts';
import type { TcpDoorOptions } from './tcp-door.ts';
import { OpenTcpDoor } from './testing/open-door.ts';
import { frame, key, type RawClient, setPayload, u16, u64, value } from './testing/raw-client.ts';

const { OK, NULL, ERROR, INVALID, CAS_FAILED } = statusCodes;
const nothing = Buffer.alloc(0);
const ok = [OK, nothing];
const flag = (set: boolean): unknown => [OK, Buffer.from([set ? 1 : 0])];
const invalid = (text: string): unknown => [INVALID, Buffer.from(text)];
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const doors: OpenTcpDoor[] = [];
let door: OpenTcpDoor;
let client: RawClient;
async function open(options: Partial<TcpDoorOptions> = {}): Promise<void> {
  door = await new OpenTcpDoor(options).open();
  doors.push(door);
  client = await door.client();
}
beforeEach(() => open());
afterEach(async () => {
  for (const each of doors.splice(0)) await each.close();
});

const store = (name: string, item: Buffer): Promise<unknown> => client.ask(codes.SET, setPayload(name, item));
const fetch = (name: string): Promise<unknown> => client.ask(codes.GET, name);

describe('the bytes of the contract', () => {
  async function exchange(sent: Buffer, received: Buffer): Promise<void> {
    const raw = await door.client();
    const chunks: Buffer[] = [];
    const answered = new Promise<void>((resolve) => {
      raw.socket.on('data', (chunk) => {
        chunks.push(chunk as Buffer);
        if (Buffer.concat(chunks).byteLength >= received.byteLength) resolve();
      });
    });
    raw.send(sent);
    await answered;
    expect(Buffer.concat(chunks)).toEqual(received);
  }

  it('answer PING', () => exchange(hex('08 00000000'), Buffer.concat([hex('00 00000004'), Buffer.from('PONG')])));

  it('answer GET with NULL and with a value, and SET with nothing', async () => {
    const get = Buffer.concat([hex('01 00000006'), Buffer.from('user:1')]);
    await exchange(get, hex('01 00000000'));
    const payload = Buffer.concat([
      hex('0006'),
      Buffer.from('user:1'),
      hex('000000000000ea60'),
      hex('04 00000003'),
      Buffer.from('abc'),
    ]);
    await exchange(Buffer.concat([hex('02'), hex('00000018'), payload]), hex('00 00000000'));
    await exchange(get, Buffer.concat([hex('00 00000008 04 00000003'), Buffer.from('abc')]));
    const { args } = door.commands.find(({ name }) => name === 'VALUE.SET')!;
    expect(Math.abs(Number(args[3]) - Date.now() - 60_000)).toBeLessThan(5_000);
  });
});

describe('values', () => {
  const all: [string, Buffer][] = [
    ['Null', value.null],
    ['Int', value.int(-(2n ** 63n))],
    ['Float', value.float(-0.1)],
    ['Decimal', value.decimal('12345678901234567890.000000000000000000001')],
    ['String', value.text('grüße')],
    ['Bytes', value.bytes(Buffer.from([0, 255, 13, 10]))],
    ['List', value.list(value.int(1n), value.list(), value.map(['k', value.null]))],
    ['Map', value.map(['a', value.bool(true)], ['b', value.list(value.decimal('1.50'))])],
    ['Bool', value.bool(false)],
  ];

  it.each(all)('of type %s come back as they are', async (_, item) => {
    expect(await store('k', item)).toEqual(ok);
    expect(await fetch('k')).toEqual([OK, item]);
  });

  it('of a mebibyte come back too', async () => {
    const item = value.bytes(Buffer.alloc(3 * 1024 * 1024 + 7, 'x'));
    expect(await store('k', item)).toEqual(ok);
    const [status, stored] = (await client.ask(codes.GET, 'k'))!;
    expect([status, stored.equals(item)]).toEqual([OK, true]);
    expect(door.door.statistics.bytesInFlight).toBe(0);
  });

  it('of a tag that there is none of are refused', async () => {
    expect(await store('k', Buffer.from([9]))).toEqual(invalid('Invalid value type: 9'));
    expect(await store('k', value.list(Buffer.from([255])))).toEqual(invalid('Invalid value type: 255'));
    expect(await store('k', Buffer.concat([value.text('').subarray(0, 1), hex('00000001 ff')]))).toEqual(
      invalid('Invalid UTF-8 string'),
    );
  });

  it('are nested so deep and no deeper', async () => {
    let item: Buffer = value.null;
    for (let depth = 0; depth < typedDepthMax; depth++) item = value.list(item);
    expect(await store('k', item)).toEqual(ok);
    expect(await store('k', value.list(item))).toMatchObject([INVALID, {}]);
    const bomb = Buffer.concat(Array.from({ length: 100_000 }, () => hex('06 00000001')));
    expect(await store('k', bomb)).toMatchObject([INVALID, {}]);
    expect(await store('k', hex('06 ffffffff'))).toEqual(invalid('Unexpected end of data'));
    expect(await store('k', Buffer.concat([hex('06 00200000'), Buffer.alloc(2 ** 21)]))).toMatchObject([INVALID, {}]);
    expect(await fetch('k')).toEqual([OK, item]);
  });
});

describe('commands', () => {
  it('set where there is nothing, delete and count', async () => {
    expect(await client.ask(codes.SETNX, setPayload('k', value.int(1n)))).toEqual(flag(true));
    expect(await client.ask(codes.SETNX, setPayload('k', value.int(2n)))).toEqual(flag(false));
    expect(await client.ask(codes.EXISTS, 'k')).toEqual(flag(true));
    expect(await client.ask(codes.DEL, 'k')).toEqual(flag(true));
    expect(await client.ask(codes.DEL, 'k')).toEqual(flag(false));
    expect(await client.ask(codes.EXISTS, 'k')).toEqual(flag(false));
  });

  it('add and subtract within 64 bits', async () => {
    const add = (code: number, delta: bigint): Promise<unknown> =>
      client.ask(code, Buffer.concat([key('n'), u64(delta)]));
    expect(await add(codes.INCR, 5n)).toEqual([OK, u64(5n)]);
    expect(await add(codes.DECR, 7n)).toEqual([OK, u64(-2n)]);
    expect(await add(codes.DECR, -(2n ** 63n))).toEqual([OK, u64(2n ** 63n - 2n)]);
    expect(await add(codes.INCR, 10n)).toEqual([OK, u64(2n ** 63n - 1n)]);
    await store('n', value.int(-5n));
    expect(await add(codes.DECR, 2n ** 63n - 1n)).toEqual([OK, u64(-(2n ** 63n))]);
    await store('n', value.text('word'));
    expect(await add(codes.INCR, 1n)).toMatchObject([ERROR, {}]);
  });

  it('compare and set', async () => {
    const swap = (expected: Buffer, next: Buffer): Promise<unknown> =>
      client.ask(codes.CAS, Buffer.concat([key('k'), expected, next, u64(0n)]));
    expect(await swap(value.null, value.int(1n))).toEqual([CAS_FAILED, nothing]);
    await store('k', value.int(1n));
    expect(await swap(value.int(2n), value.int(3n))).toEqual([CAS_FAILED, nothing]);
    expect(await swap(value.int(1n), value.text('x'))).toEqual(ok);
    expect(await fetch('k')).toEqual([OK, value.text('x')]);
  });

  it('lock, extend and unlock', async () => {
    const owned = (owner: string, ...rest: Buffer[]): Buffer => Buffer.concat([key('job'), key(owner), ...rest]);
    expect(await client.ask(codes.UNLOCK, owned('a'))).toEqual(flag(false));
    expect(await client.ask(codes.LOCK, owned('a', u64(60_000n)))).toEqual(flag(true));
    expect(await client.ask(codes.LOCK, owned('b', u64(60_000n)))).toEqual(flag(false));
    expect(await client.ask(codes.EXTEND, owned('b', u64(1n)))).toEqual(flag(false));
    expect(await client.ask(codes.EXTEND, owned('a', u64(60_000n)))).toEqual(flag(true));
    expect(await client.ask(codes.UNLOCK, owned('b'))).toEqual([ERROR, Buffer.from('Lock held by different owner')]);
    expect(await client.ask(codes.UNLOCK, owned('a'))).toEqual(flag(true));
  });

  it('read, write and delete many', async () => {
    const several = (...names: string[]): Buffer =>
      Buffer.concat([u16(names.length), ...names.map((name) => key(name))]);
    const pairs = Buffer.concat([u16(2), u64(0n), key('a'), value.int(1n), key('b'), value.text('2')]);
    expect(await client.ask(codes.MSET, pairs)).toEqual(ok);
    expect(await client.ask(codes.MGET, several('a', 'none', 'b'))).toEqual([
      OK,
      Buffer.concat([u16(3), value.int(1n), value.null, value.text('2')]),
    ]);
    expect(await client.ask(codes.MDEL, several('a', 'none', 'b'))).toEqual([OK, hex('00000002')]);
    expect(await client.ask(codes.MGET, u16(0))).toEqual([OK, u16(0)]);
    expect(await client.ask(codes.MDEL, u16(0))).toEqual([OK, hex('00000000')]);
    expect(await client.ask(codes.MSET, Buffer.concat([u16(0), u64(0n)]))).toEqual(ok);
  });

  it('tell about the server as JSON', async () => {
    const [status, json] = (await client.ask(codes.INFO))!;
    expect(status).toBe(OK);
    expect(JSON.parse(json.toString())).toMatchObject({ shards: 1, entries: 3 });
  });

  it('expire values after their milliseconds, and never after more than a clock can say', async () => {
    await client.ask(codes.SET, setPayload('k', value.int(1n), 2n ** 64n - 1n));
    expect(String(door.commands.at(-1)!.args[3])).toBe('0');
    expect(await fetch('k')).toEqual([OK, value.int(1n)]);
  });

  it('are answered with ERROR and the reason where the cluster fails', async () => {
    door.intercept = () => new ReplyError('UNAVAILABLE', 'shard-1 is away');
    expect(await fetch('k')).toEqual([ERROR, Buffer.from('shard-1 is away')]);
    expect(await client.ask(codes.MGET, Buffer.concat([u16(1), key('k')]))).toEqual([
      ERROR,
      Buffer.from('shard-1 is away'),
    ]);
  });
});

describe('input that is wrong', () => {
  it.each([0, 0x12, 0x7f, 255])('as command %i is refused, and the connection goes on', async (code) => {
    expect(await client.ask(code, 'anything')).toEqual(invalid(`Invalid command: ${code}`));
    expect(await client.ask(codes.PING)).toEqual([OK, Buffer.from('PONG')]);
  });

  it('as a key is refused in the words of the contract', async () => {
    expect(await fetch('')).toEqual(invalid('Empty key not allowed'));
    expect(await store('', value.null)).toEqual(invalid('Empty key not allowed'));
    expect(await fetch('k'.repeat(257))).toEqual(invalid('Key too long: 257 characters (max 256)'));
    expect(await fetch('k'.repeat(256))).toEqual([NULL, nothing]);
    expect(await client.ask(codes.GET, Buffer.from([0xff]))).toEqual(invalid('Invalid UTF-8 string'));
    expect(door.commands).toHaveLength(1);
  });

  it('as a length above the bound is refused before any of it is kept', async () => {
    for (const claimed of [tcpPayloadBytesMax + 1, 2 ** 31, 2 ** 32 - 1]) {
      const raw = await door.client();
      raw.send(frameHead(codes.SET, claimed));
      expect(await raw.response()).toEqual(invalid(`Payload too large: ${claimed} bytes (max 64MB)`));
      expect(await raw.response()).toBeUndefined();
    }
    expect(await client.ask(codes.PING)).toEqual([OK, Buffer.from('PONG')]);
  });

  it('as a payload cut at any byte is refused, and nothing of it is stored', async () => {
    const whole = Buffer.concat([
      u16(1),
      u64(0n),
      key('k'),
      value.map(['a', value.list(value.decimal('1'), value.text('x'))]),
    ]);
    for (let length = 0; length < whole.byteLength; length++) {
      expect(await client.ask(codes.MSET, whole.subarray(0, length))).toEqual(invalid('Unexpected end of data'));
    }
    expect(await client.ask(codes.MSET, Buffer.concat([whole, nothing, Buffer.from([0])]))).toMatchObject([
      INVALID,
      {},
    ]);
    expect(await client.ask(codes.EXISTS, 'k')).toEqual(flag(false));
    expect(await client.ask(codes.MSET, whole)).toEqual(ok);
  });

  it('arrives in pieces of any size', async () => {
    const input = Buffer.concat([
      frame(codes.SET, setPayload('k', value.text('hello'))),
      frame(codes.PING),
      frame(codes.GET, 'k'),
    ]);
    for (let at = 1; at < input.byteLength; at++) {
      client.send(input.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(input.subarray(at));
      expect(await client.response()).toEqual(ok);
      expect(await client.response()).toEqual([OK, Buffer.from('PONG')]);
      expect(await client.response()).toEqual([OK, value.text('hello')]);
    }
  });

  it('of any bytes harms nobody', async () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.integer({ min: 0, max: 20 }), fc.uint8Array({ maxLength: 64 }))
        .map(([code, bytes]) => frame(code, Buffer.from(bytes))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { maxLength: 20 }), async (pieces) => {
        const raw = await door.client();
        raw.send(...pieces);
        raw.socket.end();
        for (let next = await raw.response(); next !== undefined; next = await raw.response()) {
          expect(Object.values(statusCodes)).toContain(next[0]);
        }
      }),
      { numRuns: 200 },
    );
    expect(await client.ask(codes.PING)).toEqual([OK, Buffer.from('PONG')]);
    expect(door.door.statistics.bytesInFlight).toBe(0);
  });
});

describe('a pipeline', () => {
  it('answers in order, and commands on one key take effect as they came', async () => {
    const held: ((reply: Reply) => void)[] = [];
    door.intercept = ({ name, args }) =>
      name === 'VALUE.SET' && String(args[0]) === 'slow'
        ? new Promise((resolve) => {
            held.push(resolve);
          })
        : undefined;
    client.send(
      frame(codes.SET, setPayload('slow', value.int(1n))),
      frame(codes.SET, setPayload('fast', value.int(2n))),
      frame(codes.GET, 'fast'),
      frame(codes.EXISTS, 'slow'),
      frame(99),
    );
    while (held.length === 0 || door.commands.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(door.commands.map(({ name }) => name)).toEqual(['VALUE.SET', 'VALUE.SET', 'VALUE.GET']);
    held[0]!(1);
    const responses = [];
    for (let index = 0; index < 5; index++) responses.push(await client.response());
    expect(responses).toEqual([ok, ok, [OK, value.int(2n)], flag(false), invalid('Invalid command: 99')]);
  });

  it('of three thousand requests is answered whole', async () => {
    const requests = Array.from({ length: 3_000 }, () => frame(codes.INCR, Buffer.concat([key('n'), u64(1n)])));
    client.send(Buffer.concat(requests));
    for (let count = 1; count < 3_000; count++) await client.response();
    expect(await client.response()).toEqual([OK, u64(3_000n)]);
  });

  it('longer than what is at work at once is answered whole, though its client has ended its side', async () => {
    door.intercept = () => new Promise((resolve) => setImmediate(() => resolve(1)));
    const count = 3_000;
    client.send(Buffer.concat(Array.from({ length: count }, (_, index) => frame(codes.EXISTS, `k${index % 50}`))));
    client.socket.end();
    for (let index = 0; index < count; index++) expect(await client.response()).toEqual(flag(true));
    expect(await client.response()).toBeUndefined();
  });

  it('whose client does not read is held, and costs others nothing', async () => {
    await store('large', value.bytes(Buffer.alloc(1024 * 1024)));
    const reader = await door.client();
    reader.socket.pause();
    for (let count = 0; count < 60; count++) reader.send(frame(codes.GET, 'large'));
    for (let round = 0; round < 20; round++) expect(await client.ask(codes.PING)).toEqual([OK, Buffer.from('PONG')]);
    expect(door.door.statistics.bytesInFlight).toBeLessThan(16 * 1024 * 1024);
    reader.socket.resume();
    for (let count = 0; count < 60; count++) expect((await reader.response())![1].byteLength).toBe(1024 * 1024 + 5);
  });

  it('is answered to its end when the client ends its side, or the door closes', async () => {
    client.send(frame(codes.SET, setPayload('k', value.int(1n))), frame(codes.GET, 'k'));
    client.socket.end();
    expect(await client.response()).toEqual(ok);
    expect(await client.response()).toEqual([OK, value.int(1n)]);
    expect(await client.response()).toBeUndefined();
    const last = await door.client();
    let release: (reply: Reply) => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      door.intercept = () => {
        resolve();
        return new Promise((settle) => {
          release = settle;
        });
      };
    });
    last.send(frame(codes.EXISTS, 'k'));
    await begun;
    const closing = door.door.close(5_000);
    release(1);
    expect(await last.response()).toEqual(flag(true));
    await closing;
    expect(await last.response()).toBeUndefined();
  });
});

describe('a door that asks for a password', () => {
  const refusals = new Refusals();
  beforeEach(() =>
    open({
      authenticator: new Authenticator({ password: fixedSecret('sesame'), token: fixedSecret('token') }),
      refusals,
    }),
  );

  it('answers nothing but PING before it, and everything after', async () => {
    expect(await client.ask(codes.PING)).toEqual([OK, Buffer.from('PONG')]);
    expect(await fetch('k')).toEqual([ERROR, Buffer.from('Authentication required')]);
    expect(await client.ask(codes.AUTH, 'wrong')).toEqual([ERROR, Buffer.from(refusalText)]);
    expect(await client.ask(codes.AUTH, 'sesame')).toEqual(ok);
    expect(await fetch('k')).toEqual([NULL, nothing]);
    expect(door.contexts.at(-1)!.session).toMatchObject({ door: 'tcp', identity: 'password' });
    const other = await door.client();
    expect(await other.ask(codes.AUTH, 'token')).toEqual(ok);
    expect(refusals.samples()).toContainEqual([1, 'tcp', 'wrong']);
  });

  it('keeps nothing large of those who have not shown it', async () => {
    client.send(frameHead(codes.SET, 1024 * 1024));
    expect(await client.response()).toEqual([ERROR, Buffer.from('Authentication required')]);
    expect(await client.response()).toBeUndefined();
  });
});

describe('bounds of a door', () => {
  it('refuse a connection too many with a reason', async () => {
    await open({ connectionsMax: 1 });
    const second = await door.client();
    expect(await second.response()).toEqual([ERROR, Buffer.from('Too many connections')]);
    expect(await second.response()).toBeUndefined();
    expect(door.door.statistics).toMatchObject({ accepted: 1, refused: 1 });
  });

  it('have half-received requests wait for room, and let one at a time go on', async () => {
    const limit = 2 * 1024 * 1024;
    await open({ inFlightBytesMax: limit });
    const senders = await Promise.all(Array.from({ length: 6 }, () => door.client()));
    const item = value.bytes(Buffer.alloc(1024 * 1024, 'x'));
    const whole = frame(codes.SET, setPayload('k', item));
    for (const sender of senders) sender.send(whole.subarray(0, 700_000));
    for (const sender of senders) sender.send(whole.subarray(700_000));
    for (const sender of senders) expect(await sender.response()).toEqual(ok);
    expect(door.door.statistics.bytesInFlight).toBe(0);
  });
});
