import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplyError } from '../../commands/reply.ts';
import type { KeyValueStoreClient } from '../../protos/generated/keyvaluestore.ts';
import { callUnary, type UnaryMethod } from './testing/call-unary.ts';
import { OpenDoor } from './testing/open-door.ts';

let door: OpenDoor;
let client: KeyValueStoreClient;
beforeEach(async () => {
  door = await new OpenDoor().open();
  client = door.plainClient();
});
afterEach(() => door.close());

function call<Request, Response>(method: UnaryMethod<Request, Response>, request: Request): Promise<Response> {
  return callUnary(client, method, request);
}

const bytes = (text: string): Buffer => Buffer.from(text);
const key = bytes('key with spaces\r\n');

describe('kvstore.KeyValueStore', () => {
  it('stores, reads, finds and deletes any bytes', async () => {
    const value = Buffer.alloc(300_000, 0xff);
    expect(await call(client.get, { key })).toEqual({ found: false, value: Buffer.alloc(0) });
    expect(await call(client.set, { key, value })).toEqual({ success: true });
    expect(await call(client.get, { key })).toEqual({ found: true, value });
    expect(await call(client.contains, { key })).toEqual({ exists: true });
    expect(await call(client.delete, { key })).toEqual({ success: true, found: true });
    expect(await call(client.delete, { key })).toEqual({ success: true, found: false });
    expect(await call(client.contains, { key })).toEqual({ exists: false });
  });

  it('tells an empty value from none', async () => {
    await call(client.set, { key, value: Buffer.alloc(0) });
    expect(await call(client.get, { key })).toEqual({ found: true, value: Buffer.alloc(0) });
  });

  it('gives keys a time to live, which a new value clears', async () => {
    expect(await call(client.ttl, { key })).toEqual({ seconds: -2 });
    expect(await call(client.expire, { key, seconds: 10 })).toEqual({ success: false });
    await call(client.set, { key, value: bytes('v') });
    expect(await call(client.ttl, { key })).toEqual({ seconds: -1 });
    expect(await call(client.expire, { key, seconds: 1_000 })).toEqual({ success: true });
    const { seconds } = await call(client.ttl, { key });
    expect(seconds).toBeGreaterThan(900);
    expect(seconds).toBeLessThanOrEqual(1_000);
    await call(client.set, { key, value: bytes('v') });
    expect(await call(client.ttl, { key })).toEqual({ seconds: -1 });
  });

  it('answers the longest time to live that its contract can say', async () => {
    door.intercept = ({ name }) => (name === 'TTL' ? 2 ** 40 : undefined);
    expect(await call(client.ttl, { key })).toEqual({ seconds: 2 ** 31 - 1 });
  });

  it('refuses empty keys in its own words, and does nothing', async () => {
    const none = { key: Buffer.alloc(0) };
    const refused = { code: status.INVALID_ARGUMENT, details: 'Key cannot be empty' };
    await expect(call(client.get, none)).rejects.toMatchObject(refused);
    await expect(call(client.set, { ...none, value: bytes('v') })).rejects.toMatchObject(refused);
    await expect(call(client.contains, none)).rejects.toMatchObject(refused);
    await expect(call(client.delete, none)).rejects.toMatchObject(refused);
    await expect(call(client.expire, { ...none, seconds: 0 })).rejects.toMatchObject(refused);
    await expect(call(client.ttl, none)).rejects.toMatchObject(refused);
    expect(door.commands).toEqual([]);
  });

  it.each([0, -1, -(2 ** 31)])('refuses to expire a key in %i seconds', async (seconds) => {
    await expect(call(client.expire, { key, seconds })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'Seconds must be positive',
    });
  });

  it('says whose key it is where it is not this shard’s, and what a key is that has no text', async () => {
    door.intercept = () => new ReplyError('MOVED', 'slot 7 is at shard-1; a router answers for all shards');
    await expect(call(client.set, { key, value: bytes('v') })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'slot 7 is at shard-1; a router answers for all shards',
    });
    door.intercept = () => new ReplyError('WRONGTYPE', 'another kind of value');
    await expect(call(client.get, { key })).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it('says that it replicates nothing', async () => {
    const command = { type: 0, key, value: bytes('v'), seconds: 0, sequenceId: 1n } as const;
    const refused = { code: status.UNIMPLEMENTED, details: expect.stringContaining('replicates nothing') as unknown };
    await expect(call(client.replicateCommand, command)).rejects.toMatchObject(refused);
    const stream = client.streamReplication({ startSequence: 0n, replicaId: 'replica-1' });
    const ended = new Promise((resolve) => {
      stream.on('error', resolve);
    });
    stream.resume();
    expect(await ended).toMatchObject(refused);
  });
});
