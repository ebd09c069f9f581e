import { credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplyError } from '../../commands/reply.ts';
import { clockEntriesMax, clockNodeBytesMax } from '../../limits.ts';
import {
  DeleteResponse_Status as DeleteStatus,
  GetResponse_Status as GetStatus,
  type PutRequest,
  PutResponse_Status as PutStatus,
  type VectorClock,
} from '../../protos/generated/versionedstore-messages.ts';
import {
  KVInternalClient,
  KVInternalService,
  type KVStoreClient,
  MembershipClient,
  MembershipService,
} from '../../protos/generated/versionedstore.ts';
import { callUnary, type UnaryMethod } from './testing/call-unary.ts';
import { OpenDoor } from './testing/open-door.ts';

let door: OpenDoor;
let client: KVStoreClient;
beforeEach(async () => {
  door = await new OpenDoor().open();
  client = door.versionedClient();
});
afterEach(() => door.close());

function call<Request, Response>(method: UnaryMethod<Request, Response>, request: Request): Promise<Response> {
  return callUnary(client, method, request);
}

const asked = { consistencyR: 3, consistencyW: 3, clientId: 'client', requestId: 'request' };
const bytes = (text: string): Buffer => Buffer.from(text);
const clock = (counters: Record<string, number>): VectorClock => ({
  entries: Object.entries(counters).map(([nodeId, counter]) => ({ nodeId, counter: BigInt(counter) })),
});
const putOf = (value: string, version?: VectorClock): PutRequest => ({
  ...asked,
  key: 'k',
  value: bytes(value),
  ttlMs: 0n,
  version,
});
const get = { key: 'k', consistencyR: 2, clientId: '', requestId: '' };
const done = { status: PutStatus.SUCCESS, errorMessage: '' };

describe('kvstore.KVStore', () => {
  it('gives the first write the first count of its node', async () => {
    expect(await call(client.put, putOf('v'))).toEqual({ ...done, version: clock({ 'node-0': 1 }) });
    expect(await call(client.get, get)).toEqual({
      status: GetStatus.SUCCESS,
      value: { value: bytes('v'), version: clock({ 'node-0': 1 }), deleted: false },
      conflicts: [],
      errorMessage: '',
    });
  });

  it('keeps what a writer has not seen, and says so', async () => {
    await call(client.put, putOf('v1'));
    expect(await call(client.put, putOf('v2', clock({ 'node-0': 1 })))).toMatchObject(done);
    expect(await call(client.put, putOf('v3', clock({ 'node-0': 1 })))).toEqual({
      status: PutStatus.CONFLICT,
      errorMessage: 'the version has not seen all that is stored: both are kept',
      version: clock({ 'node-0': 3 }),
    });
    const both = [
      { value: bytes('v3'), version: clock({ 'node-0': 3 }), deleted: false },
      { value: bytes('v2'), version: clock({ 'node-0': 2 }), deleted: false },
    ];
    expect(await call(client.get, get)).toMatchObject({ value: both[0], conflicts: both });
    expect(await call(client.put, putOf('both', clock({ 'node-0': 3 })))).toMatchObject(done);
    expect(await call(client.get, get)).toMatchObject({ value: { value: bytes('both') }, conflicts: [] });
  });

  it('deletes, and tells a writer who has not seen it', async () => {
    const remove = { ...asked, key: 'k', version: undefined };
    expect(await call(client.delete, remove)).toEqual({
      status: DeleteStatus.NOT_FOUND,
      errorMessage: '',
      version: undefined,
    });
    await call(client.put, putOf('v'));
    expect(await call(client.delete, remove)).toEqual({
      status: DeleteStatus.SUCCESS,
      errorMessage: '',
      version: clock({ 'node-0': 2 }),
    });
    expect(await call(client.get, get)).toMatchObject({ status: GetStatus.NOT_FOUND, value: undefined });
    expect(await call(client.put, putOf('late', clock({ 'node-0': 1 })))).toMatchObject({ status: PutStatus.CONFLICT });
    const { value, conflicts } = await call(client.get, get);
    expect(value).toMatchObject({ value: bytes('late'), deleted: false });
    expect(conflicts.map(({ deleted }) => deleted)).toEqual([false, true]);
  });

  it('gives values a time to live in milliseconds', async () => {
    const before = Date.now();
    await call(client.put, { ...putOf('v'), ttlMs: 60_000n });
    const expireAtMs = Number(door.commands[0]!.args[2]);
    expect(Math.abs(expireAtMs - before - 60_000)).toBeLessThan(5_000);
    await call(client.put, putOf('v'));
    expect(String(door.commands[1]!.args[2])).toBe('0');
  });

  it('reads what other doors wrote as a value with an empty clock', async () => {
    await callUnary(door.keyClient(), door.keyClient().set, { key: bytes('k'), value: bytes('plain'), ttl: undefined });
    expect(await call(client.get, get)).toMatchObject({
      value: { value: bytes('plain'), version: clock({}), deleted: false },
      conflicts: [],
    });
    expect(await call(client.put, putOf('v', clock({})))).toMatchObject({ version: clock({ 'node-0': 1 }) });
  });

  it('says in the body what is wrong with a request, and does nothing', async () => {
    const fault = async (request: PutRequest): Promise<string> => {
      const { status: outcome, errorMessage } = await call(client.put, request);
      expect(outcome).toBe(PutStatus.ERROR);
      return errorMessage;
    };
    expect(await fault({ ...putOf('v'), key: '' })).toBe('key cannot be empty');
    expect(await fault({ ...putOf('v'), ttlMs: -1n })).toBe('ttl_ms is -1; it must be milliseconds, or 0 for none');
    expect(await fault(putOf('v', clock({ n: -1 })))).toContain('must not be negative');
    expect(await fault(putOf('v', clock({ '': 1 })))).toContain('node_id');
    expect(await fault(putOf('v', clock({ ['n'.repeat(clockNodeBytesMax + 1)]: 1 })))).toContain('node_id');
    const many = Array.from({ length: clockEntriesMax + 1 }, (_, index) => [`n${index}`, 1] as const);
    expect(await fault(putOf('v', clock(Object.fromEntries(many))))).toContain(`${clockEntriesMax + 1} entries`);
    const empty = { key: '', consistencyR: 0, clientId: '', requestId: '' };
    expect(await call(client.get, empty)).toMatchObject({
      status: GetStatus.ERROR,
      errorMessage: 'key cannot be empty',
    });
    expect(await call(client.delete, { ...asked, key: '', version: undefined })).toMatchObject({
      status: DeleteStatus.ERROR,
      errorMessage: 'key cannot be empty',
    });
    expect(door.commands).toEqual([]);
  });

  it('ends calls with a status for faults of the cluster and for keys that are collections', async () => {
    door.intercept = () => new ReplyError('UNAVAILABLE', 'shard-1 is away');
    await expect(call(client.get, get)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    door.intercept = () => new ReplyError('WRONGTYPE', 'another kind of value');
    await expect(call(client.put, putOf('v'))).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });
});

describe('what its replicas say to each other', () => {
  it('is refused with a reason', async () => {
    const internal = new KVInternalClient(door.address, credentials.createInsecure());
    const membership = new MembershipClient(door.address, credentials.createInsecure());
    const refused = (text: string): object => ({
      code: status.UNIMPLEMENTED,
      details: expect.stringContaining(text) as unknown,
    });
    for (const name of Object.keys(KVInternalService) as (keyof typeof KVInternalService)[]) {
      await expect(callUnary(internal, internal[name], {})).rejects.toMatchObject(refused('one copy of a key'));
    }
    for (const name of Object.keys(MembershipService) as (keyof typeof MembershipService)[]) {
      await expect(callUnary(membership, membership[name], {})).rejects.toMatchObject(refused('topology'));
    }
    internal.close();
    membership.close();
  });
});
