import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KvcacheClient } from '../../client/key-client.ts';
import { GrpcChannel } from '../../grpc/client.ts';
import type { ClientMethod } from '../../grpc/method.ts';
import { type GrpcError, grpcStatus } from '../../grpc/status.ts';
import { HealthService, KeyValueServiceService } from '../../protos/generated/kv.ts';
import { KeyValueStoreService } from '../../protos/generated/keyvaluestore.ts';
import { KVInternalService, KVStoreService, MembershipService } from '../../protos/generated/versionedstore.ts';
import { CacheService } from '../../protos/generated/kvcache.ts';
import { KVStoreServiceService } from '../../protos/generated/kvstore.ts';
import { Authenticator, headerOfCredential, refusalText } from '../../security/authenticator.ts';
import { Refusals } from '../../security/figures.ts';
import { fixedSecret } from '../../security/secrets.ts';
import { OpenDoor } from './testing/open-door.ts';

let door: OpenDoor;
let refusals: Refusals;
const channels: GrpcChannel[] = [];
beforeEach(async () => {
  refusals = new Refusals();
  const authenticator = new Authenticator({ token: fixedSecret('good'), password: fixedSecret('sesame') });
  door = await new OpenDoor({ security: { authenticator }, refusals }).open();
});
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await door.close();
});

function channelWith(authorization: string | undefined): GrpcChannel {
  const channel = new GrpcChannel(door.address, {
    metadata: () => (authorization === undefined ? {} : { authorization }),
  });
  channels.push(channel);
  return channel;
}

/** An empty message to any method; what it answers is not looked at. */
function method(path: string): ClientMethod<Buffer, Buffer> {
  return { path, requestSerialize: (bytes) => bytes, responseDeserialize: (bytes) => bytes };
}

/** How a call ended. */
async function endOf(channel: GrpcChannel, path: string): Promise<Partial<GrpcError>> {
  const ending = AbortSignal.timeout(2_000);
  const stream = channel.bidi(method(path), { signal: ending });
  stream.onMessage = () => stream.cancel('answered');
  stream.write(Buffer.alloc(0));
  stream.end();
  return stream.closed;
}

const guarded = [
  ...[
    KeyValueServiceService,
    CacheService,
    KVStoreServiceService,
    KeyValueStoreService,
    KVStoreService,
    KVInternalService,
    MembershipService,
  ].flatMap((service) => Object.values(service).map(({ path }) => path as string)),
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
  '/nobody.Knows/This',
  '/',
];
const open = [
  ...Object.values(HealthService).map(({ path }) => path as string),
  ...['Check', 'Watch', 'List'].map((name) => `/grpc.health.v1.Health/${name}`),
];
const wrong = [undefined, '', 'Bearer', 'Bearer bad', 'Basic bad', headerOfCredential('password', 'good')];

describe('a door that asks for credentials', () => {
  it.each(guarded)('asks for them at %s, and says the same whatever was wrong', async (path) => {
    for (const authorization of wrong) {
      expect(await endOf(channelWith(authorization), path)).toMatchObject({
        code: grpcStatus.UNAUTHENTICATED,
        details: refusalText,
        metadata: {
          'kvcache-code': 'NOAUTH',
          'www-authenticate': 'Bearer realm="kvcache", Basic realm="kvcache", charset="UTF-8"',
        },
      });
    }
    expect(door.commands).toEqual([]);
    const credentials = [headerOfCredential('token', 'good'), headerOfCredential('password', 'sesame')];
    for (const authorization of credentials) {
      const { code } = await endOf(channelWith(authorization), path);
      expect(code).not.toBe(grpcStatus.UNAUTHENTICATED);
    }
  });

  it.each(open)('answers %s to everybody', async (path) => {
    for (const authorization of wrong) {
      const { code } = await endOf(channelWith(authorization), path);
      expect(code).not.toBe(grpcStatus.UNAUTHENTICATED);
    }
    expect(refusals.samples()).toEqual([]);
  });

  it('counts what it refused', async () => {
    for (const authorization of wrong) await endOf(channelWith(authorization), '/kvcache.v1.Cache/Execute');
    expect(refusals.samples()).toEqual([
      [1, 'grpc', 'missing'],
      [3, 'grpc', 'malformed'],
      [2, 'grpc', 'wrong'],
    ]);
  });

  it('tells commands who asks', async () => {
    using client = new KvcacheClient({ server: door.address, credentials: { password: 'sesame' } });
    await client.get('key');
    expect(door.contexts[0]!.session).toMatchObject({ door: 'grpc', identity: 'password' });
  });

  it('is met by the SDK with a code, at once', async () => {
    using client = new KvcacheClient({ server: door.address, credentials: { token: 'bad' } });
    await expect(client.set('key', Buffer.alloc(1_000_000))).rejects.toMatchObject({
      code: 'NOAUTH',
      message: refusalText,
    });
    expect(refusals.samples()).toEqual([[1, 'grpc', 'wrong']]);
  });
});
