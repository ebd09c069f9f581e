/**
 * kvstore.KVStore: keys with vector clocks, and what its cluster's processes say to each other.
 *
 *   Put → VERSION.PUT    Get → VERSION.GET    Delete → VERSION.DEL
 *
 * Its users choose how many of a key's replicas must answer (consistency_r, consistency_w). A key has one copy here, its
 * owner's, and every number is taken as that one. The owner is the coordinator, and its name the node of the clocks that
 * it gives.
 *
 * As its clients expect, what is wrong with a request is a status in the body, and a key that is not there NOT_FOUND;
 * faults of the cluster end a call with a gRPC status.
 */
import { decodeClock, encodeClock } from '../../commands/vector-clock.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import { clockEntriesMax, clockNodeBytesMax } from '../../limits.ts';
import {
  DeleteRequest,
  DeleteResponse,
  DeleteResponse_Status as DeleteStatus,
  GetRequest,
  GetResponse,
  GetResponse_Status as GetStatus,
  NotServed,
  PutRequest,
  PutResponse,
  PutResponse_Status as PutStatus,
  type VectorClock,
  type VersionedValue,
} from '../../protos/generated/versionedstore-messages.ts';
import {
  KVInternalService as internalDefinition,
  KVStoreService as definition,
  MembershipService as membershipDefinition,
} from '../../protos/generated/versionedstore.ts';
import { settle } from '../settle.ts';
import { executeOrThrow, type Serving, serveUnary } from './serving.ts';
import { unimplemented } from './status-of-error.ts';

const methods = {
  put: {
    path: definition.put.path,
    requestDeserialize: (bytes: Buffer) => PutRequest.decode(bytes),
    responseSerialize: (response: PutResponse) => PutResponse.encode(response).finish(),
  },
  get: {
    path: definition.get.path,
    requestDeserialize: (bytes: Buffer) => GetRequest.decode(bytes),
    responseSerialize: (response: GetResponse) => GetResponse.encode(response).finish(),
  },
  delete: {
    path: definition.delete.path,
    requestDeserialize: (bytes: Buffer) => DeleteRequest.decode(bytes),
    responseSerialize: (response: DeleteResponse) => DeleteResponse.encode(response).finish(),
  },
};

const emptyKey = 'key cannot be empty';
const conflictText = 'the version has not seen all that is stored: both are kept';
const noReplicas = 'this server keeps one copy of a key, at its owner, and has no replicas to speak to';
const noGossip = "members and slots are in the cluster's topology, which is not spread by gossip: ask `kvcache status`";

export function addVersionedServices(serving: Serving): void {
  serveUnary(serving, methods.put, (request, call) => put(serving, request, call));
  serveUnary(serving, methods.get, (request, call) => get(serving, request, call));
  serveUnary(serving, methods.delete, (request, call) => remove(serving, request, call));
  for (const { path } of Object.values(internalDefinition)) refuse(serving, path, noReplicas);
  for (const { path } of Object.values(membershipDefinition)) refuse(serving, path, noGossip);
}

function refuse(serving: Serving, path: string, reason: string): void {
  const method = {
    path,
    requestDeserialize: (bytes: Buffer) => NotServed.decode(bytes),
    responseSerialize: (response: NotServed) => NotServed.encode(response).finish(),
  };
  serveUnary(serving, method, () => {
    throw unimplemented(reason);
  });
}

function put(serving: Serving, request: PutRequest, call: ServerCall): PutResponse | Promise<PutResponse> {
  const { key, value, ttlMs, version } = request;
  const fault = key === '' ? emptyKey : (ttlFault(ttlMs) ?? versionFault(version));
  if (fault !== undefined) return { status: PutStatus.ERROR, errorMessage: fault, version: undefined };
  const expireAtMs = ttlMs === 0n ? 0n : BigInt(Date.now()) + ttlMs;
  const args = [Buffer.from(key), value, Buffer.from(String(expireAtMs)), clockBytes(version)];
  return settle(executeOrThrow(serving, { name: 'VERSION.PUT', args }, call), (reply) => {
    const [outcome, clock] = reply as [string, Buffer];
    const isConflict = outcome === 'CONFLICT';
    return {
      status: isConflict ? PutStatus.CONFLICT : PutStatus.SUCCESS,
      errorMessage: isConflict ? conflictText : '',
      version: versionOf(clock),
    };
  });
}

function get(serving: Serving, { key }: GetRequest, call: ServerCall): GetResponse | Promise<GetResponse> {
  const none = { value: undefined, conflicts: [], errorMessage: '' };
  if (key === '') return { ...none, status: GetStatus.ERROR, errorMessage: emptyKey };
  return settle(executeOrThrow(serving, { name: 'VERSION.GET', args: [Buffer.from(key)] }, call), (reply) => {
    if (reply === null) return { ...none, status: GetStatus.NOT_FOUND };
    const siblings = (reply as [Buffer, Buffer | null][]).map(siblingOf);
    return {
      ...none,
      status: GetStatus.SUCCESS,
      value: siblings.find(({ deleted }) => !deleted),
      conflicts: siblings.length > 1 ? siblings : [],
    };
  });
}

function remove(
  serving: Serving,
  { key, version }: DeleteRequest,
  call: ServerCall,
): DeleteResponse | Promise<DeleteResponse> {
  const fault = key === '' ? emptyKey : versionFault(version);
  if (fault !== undefined) return { status: DeleteStatus.ERROR, errorMessage: fault, version: undefined };
  const args = [Buffer.from(key), clockBytes(version)];
  return settle(executeOrThrow(serving, { name: 'VERSION.DEL', args }, call), (reply) => ({
    status: reply === null ? DeleteStatus.NOT_FOUND : DeleteStatus.SUCCESS,
    errorMessage: '',
    version: reply === null ? undefined : versionOf(reply as Buffer),
  }));
}

function siblingOf([clock, value]: [Buffer, Buffer | null]): VersionedValue {
  return { value: value ?? Buffer.alloc(0), version: versionOf(clock), deleted: value === null };
}

function versionOf(clock: Buffer): VectorClock {
  return { entries: [...decodeClock(clock).clock].map(([nodeId, counter]) => ({ nodeId, counter })) };
}

/** Nothing for a writer that says nothing of what it has seen. */
function clockBytes(version: VectorClock | undefined): Buffer {
  if (version === undefined) return Buffer.alloc(0);
  return encodeClock(new Map(version.entries.map(({ nodeId, counter }) => [nodeId, counter])));
}

function ttlFault(ttlMs: bigint): string | undefined {
  return ttlMs < 0n ? `ttl_ms is ${ttlMs}; it must be milliseconds, or 0 for none` : undefined;
}

function versionFault(version: VectorClock | undefined): string | undefined {
  const entries = version?.entries ?? [];
  if (entries.length > clockEntriesMax) {
    return `version has ${entries.length} entries; at most ${clockEntriesMax} are allowed`;
  }
  for (const { nodeId, counter } of entries) {
    if (nodeId === '' || Buffer.byteLength(nodeId) > clockNodeBytesMax) {
      return `a node_id of version must have 1 to ${clockNodeBytesMax} bytes`;
    }
    if (counter < 0n) return `the counter of ${nodeId} in version is ${counter}; it must not be negative`;
  }
  return undefined;
}
