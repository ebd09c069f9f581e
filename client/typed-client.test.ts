import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OpenTcpDoor } from '../doors/tcp/testing/open-door.ts';
import type { TcpDoorOptions } from '../doors/tcp/tcp-door.ts';
import { Authenticator } from '../security/authenticator.ts';
import { fixedSecret } from '../security/secrets.ts';
import { TypedClient, type TypedClientOptions } from './typed-client.ts';
import { encodeTyped, type Typed, TypedDecimal, TypedReader } from './typed-value.ts';

const doors: OpenTcpDoor[] = [];
const clients: TypedClient[] = [];
let door: OpenTcpDoor;
async function open(options: Partial<TcpDoorOptions> = {}): Promise<void> {
  door = await new OpenTcpDoor(options).open();
  doors.push(door);
}
function connect(options: TypedClientOptions = {}, namespace = ''): TypedClient {
  const client = new TypedClient(door.address + namespace, options);
  clients.push(client);
  return client;
}
beforeEach(() => open());
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const each of doors.splice(0)) await each.close();
});

describe('typed values', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const { value } = fc.letrec<{ value: Typed }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }),
      fc.boolean(),
      text,
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.bigInt().map((number) => new TypedDecimal(`${number}.50`)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(text, tie('value')), { maxLength: 4 }).map((members) => new Map(members)),
    ),
  }));

  it('come back from their bytes', () => {
    fc.assert(
      fc.property(value, (typed) => {
        expect(new TypedReader(encodeTyped(typed)).value()).toEqual(typed);
      }),
    );
  });

  it('come back from the server', async () => {
    const client = connect();
    await fc.assert(
      fc.asyncProperty(value, async (typed) => {
        await client.set('k', typed);
        expect(await client.get('k')).toEqual(typed);
      }),
      { numRuns: 50 },
    );
  });

  it('that do not fit are refused before they are sent', async () => {
    const client = connect();
    await expect(client.set('k', 2n ** 63n)).rejects.toMatchObject({ code: 'ERR' });
    let deep: Typed = null;
    for (let depth = 0; depth < 40; depth++) deep = [deep];
    await expect(client.set('k', deep)).rejects.toMatchObject({ code: 'ERR' });
    await expect(client.set('k', Buffer.alloc(64 * 1024 * 1024))).rejects.toMatchObject({ code: 'TOOLARGE' });
    expect(door.commands).toEqual([]);
  });
});

describe('the client', () => {
  it('has a call for every command', async () => {
    const client = connect({}, '/shop');
    expect(await client.get('k')).toBeUndefined();
    await client.set('k', 'v', { ttlMs: 60_000 });
    expect(String(door.commands.at(-1)!.args[0])).toBe('shop:k');
    expect([await client.setIfAbsent('k', 1n), await client.exists('k')]).toEqual([false, true]);
    expect([await client.compareAndSet('k', 'x', 1n), await client.compareAndSet('k', 'v', 1n)]).toEqual([false, true]);
    expect([await client.increment('k', 9n), await client.decrement('k')]).toEqual([10n, 9n]);
    await client.setMany([
      ['a', 1.5],
      ['b', [true]],
    ]);
    expect(await client.getMany(['a', 'none', 'b'])).toEqual([1.5, null, [true]]);
    expect(await client.deleteMany(['a', 'none', 'b'])).toBe(2);
    expect([await client.delete('k'), await client.delete('k')]).toEqual([true, false]);
    expect([await client.lock('job', 'me', 60_000), await client.lock('job', 'you', 60_000)]).toEqual([true, false]);
    expect([await client.extend('job', 'me', 60_000), await client.unlock('other', 'me')]).toEqual([true, false]);
    await expect(client.unlock('job', 'you')).rejects.toMatchObject({ message: 'Lock held by different owner' });
    expect(await client.unlock('job', 'me')).toBe(true);
    await client.ping();
    expect(await client.info()).toMatchObject({ shards: 1, entries: 3 });
  });

  it('has a thousand calls under way over a few connections, in order for each key', async () => {
    const client = connect({ connections: 3 });
    const sums = await Promise.all(Array.from({ length: 1_000 }, (_, index) => client.increment(`n${index % 7}`)));
    expect(sums.filter((_, index) => index % 7 === 0)).toEqual(
      Array.from({ length: 143 }, (_, index) => BigInt(index + 1)),
    );
    expect(door.door.statistics.accepted).toBeLessThanOrEqual(3);
  });

  it('reads again where the connection was lost, and tells of a write', async () => {
    const client = connect({ connections: 1 });
    await client.set('k', 1n);
    const [host, port] = door.address.split(':') as [string, string];
    await door.door.close(0);
    await expect(client.set('k', 2n)).rejects.toMatchObject({ code: 'UNAVAILABLE', nothingDone: false });
    const value = client.get('k');
    door = await new OpenTcpDoor({ host, port: Number(port) }).open();
    doors.push(door);
    expect(await value).toBeUndefined();
  });

  it('shows its password on every connection', async () => {
    await open({ authenticator: new Authenticator({ password: fixedSecret('sesame') }) });
    const client = connect({ password: 'sesame' });
    await Promise.all(['a', 'b', 'c', 'd'].map((key) => client.set(key, key)));
    expect(await client.getMany(['a', 'd'])).toEqual(['a', 'd']);
    await expect(connect({ password: 'wrong' }).get('a')).rejects.toMatchObject({ code: 'NOAUTH' });
    await expect(connect().get('a')).rejects.toMatchObject({ message: 'Authentication required' });
    vi.stubEnv('KV_PASSWORD', 'sesame');
    try {
      expect(await connect().get('a')).toBe('a');
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('gives a call up in time', async () => {
    door.intercept = () => new Promise(() => undefined);
    await expect(connect({ timeoutMs: 50 }).get('k')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('rejects what is under way when it is closed', async () => {
    door.intercept = () => new Promise(() => undefined);
    const client = connect();
    const call = client.get('k');
    client.close();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(client.get('k')).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it.each(['', 'host:99999', 'host:1/a/b', 'http://host:1', '[::1'])('refuses the address %j', (address) => {
    expect(() => new TypedClient(address)).toThrow(/it must be host:port/);
  });

  it('knows addresses with and without a port, and of IPv6', () => {
    expect(new TypedClient('host').prefix).toBe('');
    expect(new TypedClient('[::1]:6380/ns').prefix).toBe('ns:');
    expect(() => new TypedClient('host', { connections: 0 })).toThrow(/connections/);
  });
});
