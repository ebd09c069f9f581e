/**
 * kvstore.KeyValueStore: plain keys with expiry in seconds. Faults end a call with a status; what is not there is no
 * fault.
 *
 *   Get → GET    Set → SET (which clears an old expiry)    Contains → EXISTS    Delete → DEL    Expire → EXPIRE
 *   TTL → TTL
 *
 * Its users run a primary, which sends every write to its replicas by ReplicateCommand. Here a key has one owner, and no
 * process takes another's writes: both methods of replication say so.
 */
import type { MessageParts, ServerMethod } from '../../grpc/method.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import {
  ContainsResponse,
  DeleteResponse,
  ExpireRequest,
  ExpireResponse,
  ReplicationCommand,
  ReplicationResponse,
  SetResponse,
  StreamReplicationRequest,
  TTLResponse,
} from '../../protos/generated/keyvaluestore-messages.ts';
import { KeyValueStoreService as definition } from '../../protos/generated/keyvaluestore.ts';
import { settle } from '../settle.ts';
import { Gather } from './gather.ts';
import { decodeKey, decodeSet, type IncomingSet } from './kv-codec.ts';
import { executeOrThrow, type Serving, serveUnary } from './serving.ts';
import { invalidArgument, unimplemented } from './status-of-error.ts';

/** A value as it is stored, or undefined where there is none. */
type OutgoingGet = Buffer | undefined;

const int32Max = 2 ** 31 - 1;
const noReplication = 'this server keeps one copy of a key at its owner and replicates nothing; write with Set';

const methods = {
  get: { path: definition.get.path, requestDeserialize: decodeKey, responseSerialize: encodeGet },
  set: {
    path: definition.set.path,
    requestDeserialize: decodeSet,
    responseSerialize: (response: SetResponse) => SetResponse.encode(response).finish(),
  },
  contains: {
    path: definition.contains.path,
    requestDeserialize: decodeKey,
    responseSerialize: (response: ContainsResponse) => ContainsResponse.encode(response).finish(),
  },
  delete: {
    path: definition.delete.path,
    requestDeserialize: decodeKey,
    responseSerialize: (response: DeleteResponse) => DeleteResponse.encode(response).finish(),
  },
  expire: {
    path: definition.expire.path,
    requestDeserialize: (bytes: Buffer) => ExpireRequest.decode(bytes),
    responseSerialize: (response: ExpireResponse) => ExpireResponse.encode(response).finish(),
  },
  ttl: {
    path: definition.ttl.path,
    requestDeserialize: decodeKey,
    responseSerialize: (response: TTLResponse) => TTLResponse.encode(response).finish(),
  },
};

const replicateMethod: ServerMethod<ReplicationCommand, ReplicationResponse> = {
  path: definition.replicateCommand.path,
  requestDeserialize: (bytes) => ReplicationCommand.decode(bytes),
  responseSerialize: (response) => ReplicationResponse.encode(response).finish(),
};

/** A stream of answers; without any it is served as a call that fails. */
const streamReplicationMethod: ServerMethod<StreamReplicationRequest, ReplicationCommand> = {
  path: definition.streamReplication.path,
  requestDeserialize: (bytes) => StreamReplicationRequest.decode(bytes),
  responseSerialize: (response) => ReplicationCommand.encode(response).finish(),
};

function encodeGet(value: OutgoingGet): MessageParts {
  if (value === undefined) return Buffer.alloc(0);
  return new Gather(value.byteLength < 4096 ? value.byteLength + 16 : 32).bool(1, true).bytes(2, value).finish();
}

export function addKeyValueStoreService(serving: Serving): void {
  serveUnary(serving, methods.get, (key, call) => get(serving, key, call));
  // Of a Set nothing is left but the value when it is in the cache.
  serveUnary(serving, { ...methods.set, memory: serving.memory }, (request, call) => set(serving, request, call));
  serveUnary(serving, methods.contains, (key, call) =>
    ask(serving, 'EXISTS', [checked(key)], call, (count) => ({ exists: count > 0 })),
  );
  serveUnary(serving, methods.delete, (key, call) =>
    ask(serving, 'DEL', [checked(key)], call, (count) => ({ success: true, found: count > 0 })),
  );
  serveUnary(serving, methods.expire, ({ key, seconds }, call) => {
    checked(key);
    if (seconds <= 0) throw invalidArgument('Seconds must be positive');
    return ask(serving, 'EXPIRE', [key, Buffer.from(String(seconds))], call, (isSet) => ({ success: isSet === 1 }));
  });
  serveUnary(serving, methods.ttl, (key, call) =>
    ask(serving, 'TTL', [checked(key)], call, (seconds) => ({ seconds: Math.min(seconds, int32Max) })),
  );
  serveUnary(serving, replicateMethod, () => {
    throw unimplemented(noReplication);
  });
  serveUnary(serving, streamReplicationMethod, () => {
    throw unimplemented(noReplication);
  });
}

function checked(key: Buffer): Buffer {
  if (key.byteLength === 0) throw invalidArgument('Key cannot be empty');
  return key;
}

function get(serving: Serving, key: Buffer, call: ServerCall): OutgoingGet | Promise<OutgoingGet> {
  const reply = executeOrThrow(serving, { name: 'GET', args: [checked(key)] }, call);
  return settle(reply, (value) => (value === null ? undefined : (value as Buffer)));
}

function set(
  serving: Serving,
  { key, value }: Pick<IncomingSet, 'key' | 'value'>,
  call: ServerCall,
): SetResponse | Promise<SetResponse> {
  return settle(executeOrThrow(serving, { name: 'SET', args: [checked(key), value] }, call), () => ({ success: true }));
}

/** For commands that answer with a number. */
function ask<Response>(
  serving: Serving,
  name: string,
  args: readonly Buffer[],
  call: ServerCall,
  response: (reply: number) => Response,
): Response | Promise<Awaited<Response>> {
  return settle(executeOrThrow(serving, { name, args }, call), (reply) => response(reply as number));
}
