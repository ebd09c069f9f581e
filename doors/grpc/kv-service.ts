/**
 * kv.KeyValueService and kv.Health: plain keys. As its clients expect, every fault travels in the body's `error`, and
 * the call ends with OK; the fault's code is in the trailer `kvcache-code`.
 *
 * Scans have no cursor in this contract: they walk all pages and answer at once, bounded by `grpcScanReplyBytesMax`.
 * Hashes, lists, sets and sorted sets are WRONGTYPE to who asks for one by its key. A scan with values leaves them out, for
 * one of them would keep everybody from the values of all others; ScanKeys names them.
 */
import { isUtf8 } from 'node:buffer';
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { MessageParts, ServerMethod } from '../../grpc/method.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import { grpcScanPageKeys, grpcScanReplyBytesMax } from '../../limits.ts';
import {
  GetConfigRequest,
  GetConfigResponse,
  HealthService as healthDefinition,
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  KeyValueServiceService as definition,
  MGetRequest,
  ScanRequest,
  SetResponse,
  UpdateConfigRequest,
} from '../../protos/generated/kv.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import { settle } from '../settle.ts';
import {
  decodeKey,
  decodeKeyValues,
  decodeSet,
  encodeGet,
  encodeKeys,
  encodeKeyValues,
  type IncomingKeyValues,
  type IncomingSet,
  type KeyValue,
  type OutgoingGet,
  type OutgoingKeys,
  type OutgoingKeyValues,
} from './kv-codec.ts';
import { cancellableContextOf, contextOf, type Serving, serveUnary } from './serving.ts';
import { codeTrailer } from './status-of-error.ts';

/** What of this service is counted beside its commands. */
export interface ServiceMetrics {
  configUpdated(): void;
  healthChecked(seconds: number): void;
}

export interface KeyValueParts extends Serving {
  readonly config: RuntimeConfig;
  /** Whether the process serves now. */
  readonly isServing: () => boolean;
  readonly metrics?: ServiceMetrics | undefined;
}

/** SetResponse, DeleteResponse, MSetResponse, MDeleteResponse and UpdateConfigResponse are the same. */
type Done = SetResponse;
const done: Done = { success: true, error: '' };
const serializeDone = (response: Done): MessageParts => SetResponse.encode(response).finish();
const expirySeconds = Buffer.from('EX');
const noCursor: Buffer = Buffer.alloc(0);
const pageKeys = Buffer.from(String(grpcScanPageKeys));

const methods = {
  set: { path: definition.set.path, requestDeserialize: decodeSet, responseSerialize: serializeDone },
  get: { path: definition.get.path, requestDeserialize: decodeKey, responseSerialize: encodeGet },
  delete: { path: definition.delete.path, requestDeserialize: decodeKey, responseSerialize: serializeDone },
  mSet: { path: definition.mSet.path, requestDeserialize: decodeKeyValues, responseSerialize: serializeDone },
  mGet: { path: definition.mGet.path, requestDeserialize: decodeKeys, responseSerialize: encodeKeyValues },
  mDelete: { path: definition.mDelete.path, requestDeserialize: decodeKeys, responseSerialize: serializeDone },
  scanKeys: { path: definition.scanKeys.path, requestDeserialize: decodePrefix, responseSerialize: encodeKeys },
  scanKeyValues: {
    path: definition.scanKeyValues.path,
    requestDeserialize: decodePrefix,
    responseSerialize: encodeKeyValues,
  },
};

const getConfigMethod: ServerMethod<GetConfigRequest, GetConfigResponse> = {
  path: definition.getConfig.path,
  requestDeserialize: (bytes) => GetConfigRequest.decode(bytes),
  responseSerialize: (response) => GetConfigResponse.encode(response).finish(),
};

const updateConfigMethod: ServerMethod<UpdateConfigRequest, Done> = {
  path: definition.updateConfig.path,
  requestDeserialize: (bytes) => UpdateConfigRequest.decode(bytes),
  responseSerialize: serializeDone,
};

const checkMethod: ServerMethod<HealthCheckRequest, HealthCheckResponse> = {
  path: healthDefinition.check.path,
  requestDeserialize: (bytes) => HealthCheckRequest.decode(bytes),
  responseSerialize: (response) => HealthCheckResponse.encode(response).finish(),
};

function decodeKeys(bytes: Buffer): Buffer[] {
  return MGetRequest.decode(bytes).keys;
}

function decodePrefix(bytes: Buffer): Buffer {
  return ScanRequest.decode(bytes).prefix;
}

export function addKeyValueService(parts: KeyValueParts): void {
  const { executor, memory, config, isServing, metrics } = parts;
  // Of a Set nothing is left but the value when it is in the cache.
  serveUnary(parts, { ...methods.set, memory }, (request, call) => set(executor, request, call));
  serveUnary(parts, methods.get, (key, call) => get(executor, key, call));
  serveUnary(parts, methods.delete, (key, call) => remove(executor, [key], call, 'empty key'));
  serveUnary(parts, methods.mSet, (request, call) => setMany(executor, request, call));
  serveUnary(parts, methods.mGet, (keys, call) => getMany(executor, keys, call));
  serveUnary(parts, methods.mDelete, (keys, call) => remove(executor, keys, call, 'empty keys'));
  serveUnary(parts, methods.scanKeys, (prefix, call) => scanKeys(executor, prefix, call));
  serveUnary(parts, methods.scanKeyValues, (prefix, call) => scanKeyValues(executor, prefix, call));
  serveUnary(parts, getConfigMethod, () => settle(config.get(), (json) => ({ config: json, error: '' })));
  serveUnary(parts, updateConfigMethod, (request) =>
    settle(config.update(request.config), (error) => {
      if (error !== undefined) return failed(error);
      metrics?.configUpdated();
      return done;
    }),
  );
  serveUnary(parts, checkMethod, ({ service }) => {
    const startedMs = performance.now();
    const known = service === '' || service === 'kv.KeyValueService' || service === 'kv.Health';
    const status = isServing() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    metrics?.healthChecked((performance.now() - startedMs) / 1_000);
    return { status: known ? status : ServingStatus.SERVICE_UNKNOWN };
  });
}

function failed(error: string): Done {
  return { success: false, error };
}

/** The text for the body; the code goes into the trailers. */
function faultText(reply: ReplyError, call: ServerCall): string {
  call.setTrailers({ [codeTrailer]: reply.code });
  return reply.message;
}

function whenDone(reply: Reply | Promise<Reply>, call: ServerCall): Done | Promise<Done> {
  return settle(reply, (value) => (value instanceof ReplyError ? failed(faultText(value, call)) : done));
}

function set(executor: Executor, { key, value, ttl }: IncomingSet, call: ServerCall): Done | Promise<Done> {
  if (key.byteLength === 0) return failed('empty key');
  if (ttl < 0n) return failed(`ttl is ${ttl}; it must be seconds, or 0 for none`);
  const args = ttl === 0n ? [key, value] : [key, value, expirySeconds, Buffer.from(String(ttl))];
  return whenDone(executor.execute({ name: 'SET', args }, contextOf(call)), call);
}

function get(executor: Executor, key: Buffer, call: ServerCall): OutgoingGet | Promise<OutgoingGet> {
  if (key.byteLength === 0) return { value: undefined, error: 'empty key' };
  return settle(executor.execute({ name: 'GET', args: [key] }, contextOf(call)), (reply) => {
    if (reply instanceof ReplyError) return { value: undefined, error: faultText(reply, call) };
    if (reply === null) return { value: undefined, error: 'key not found' };
    return { value: bytesOfReply(reply), error: '' };
  });
}

/** Deleting what is not there succeeds: it is gone either way. */
function remove(
  executor: Executor,
  keys: readonly Buffer[],
  call: ServerCall,
  emptyText: string,
): Done | Promise<Done> {
  const fault = keysFault(keys);
  if (fault !== undefined) return failed(keys.length === 1 ? emptyText : fault);
  return whenDone(executor.execute({ name: 'DEL', args: keys }, contextOf(call)), call);
}

function setMany(executor: Executor, { pairs, ttl }: IncomingKeyValues, call: ServerCall): Done | Promise<Done> {
  const fault = keysFault(pairs.map(([key]) => key));
  if (fault !== undefined) return failed(fault);
  if (ttl < 0n) return failed(`ttl is ${ttl}; it must be seconds, or 0 for none`);
  const expireAtMs = BigInt(Date.now()) + ttl * 1_000n;
  const command =
    ttl === 0n
      ? { name: 'MSET', args: pairs.flat() }
      : { name: 'MSETEX', args: [Buffer.from(String(expireAtMs)), ...pairs.flat()] };
  return whenDone(executor.execute(command, contextOf(call)), call);
}

/** Keys that are not there are left out of the map; one that holds no text is a fault, as it is to Get. */
function getMany(
  executor: Executor,
  keys: readonly Buffer[],
  call: ServerCall,
): OutgoingKeyValues | Promise<OutgoingKeyValues> {
  const fault = keysFault(keys) ?? mapKeysFault(keys);
  if (fault !== undefined) return { pairs: [], error: fault };
  return settle(executor.execute({ name: 'TEXT.MGET', args: keys }, cancellableContextOf(call)), (reply) => {
    const values = reply as ReplyError | Reply[];
    if (values instanceof ReplyError) return { pairs: [], error: faultText(values, call) };
    const broken = values.find((value) => value instanceof ReplyError);
    if (broken) return { pairs: [], error: faultText(broken, call) };
    const found = new Map<string, KeyValue>();
    values.forEach((value, place) => {
      const key = keys[place]!;
      if (value !== null) found.set(key.toString('latin1'), [key, bytesOfReply(value)]);
    });
    return { pairs: [...found.values()], error: '' };
  });
}

async function scanKeys(executor: Executor, prefix: Buffer, call: ServerCall): Promise<OutgoingKeys> {
  const found = await scan(executor, prefix, 'KEYS', call);
  return found instanceof ReplyError ? { keys: [], error: faultText(found, call) } : { keys: found, error: '' };
}

async function scanKeyValues(executor: Executor, prefix: Buffer, call: ServerCall): Promise<OutgoingKeyValues> {
  const found = await scan(executor, prefix, 'VALUES', call);
  if (found instanceof ReplyError) return { pairs: [], error: faultText(found, call) };
  const pairs: KeyValue[] = [];
  for (let at = 0; at < found.length; at += 2) pairs.push([found[at]!, found[at + 1]!]);
  const fault = mapKeysFault(pairs.map(([key]) => key));
  return fault === undefined ? { pairs, error: '' } : { pairs: [], error: fault };
}

/** All pages: keys, or keys and values in turn. */
async function scan(
  executor: Executor,
  prefix: Buffer,
  kind: 'KEYS' | 'VALUES',
  call: ServerCall,
): Promise<Buffer[] | ReplyError> {
  const context: CommandContext = cancellableContextOf(call);
  const found: Buffer[] = [];
  let bytes = 0;
  let cursor = noCursor;
  do {
    const command: Command = { name: 'PREFIXSCAN', args: [cursor, prefix, pageKeys, Buffer.from(kind)] };
    const reply = await executor.execute(command, context);
    if (reply instanceof ReplyError) return reply;
    if (call.cancelled) return new ReplyError('CANCELLED', 'the caller went away');
    const [next, items] = reply as [Buffer, Reply[]];
    for (const item of items) {
      const part = bytesOfReply(item);
      bytes += part.byteLength;
      found.push(part);
    }
    if (bytes > grpcScanReplyBytesMax) return scanTooLarge();
    cursor = next;
  } while (cursor.byteLength > 0);
  return found;
}

function scanTooLarge(): ReplyError {
  const ways = 'use a longer prefix, ScanKeys with MGet, or page through it with `kvcache scan` or the SDK';
  return new ReplyError('TOOLARGE', `the scan finds more than ${grpcScanReplyBytesMax} bytes: ${ways}`);
}

function keysFault(keys: readonly Buffer[]): string | undefined {
  if (keys.length === 0) return 'empty keys';
  return keys.some((key) => key.byteLength === 0) ? 'empty key' : undefined;
}

/** A protobuf map's keys are text; other bytes would come back as other keys. */
function mapKeysFault(keys: readonly Buffer[]): string | undefined {
  return keys.every((key) => isUtf8(key)) ? undefined : 'a key is not UTF-8 text: use Get and ScanKeys for it';
}

/** Values that are numbers or text of ours to the engine are text to this service's clients. */
function bytesOfReply(reply: Reply): Buffer {
  if (Buffer.isBuffer(reply)) return reply;
  if (typeof reply === 'object') throw new Error('the executor answered with no value');
  return Buffer.from(String(reply));
}
