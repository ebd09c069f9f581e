/** Responses: a status and a payload in parts, of which a value's is never copied on its way to the socket. */
import { bytesOf } from '../../byte-parts.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { typedHead } from '../../commands/typed-value.ts';
import { messageOf } from '../../errors.ts';
import { tcpPayloadBytesMax } from '../../limits.ts';
import { frameHead, frameHeadBytes, type StatusByte, statusCodes, writeFrameHead } from './protocol.ts';

/** The bytes of a response, head included. */
export type Response = readonly Buffer[];

export function response(status: StatusByte, ...parts: readonly Buffer[]): Response {
  const bytes = bytesOf(parts);
  return bytes > tcpPayloadBytesMax ? tooLarge(bytes) : [frameHead(status, bytes), ...parts];
}

function tooLarge(bytes: number): Response {
  return errorResponse(`the answer has ${bytes} bytes; at most 64 MB fit a response`);
}

export function errorResponse(text: string): Response {
  return response(statusCodes.ERROR, Buffer.from(text, 'utf8'));
}

export function invalidResponse(text: string): Response {
  return response(statusCodes.INVALID, Buffer.from(text, 'utf8'));
}

export const okResponse = response(statusCodes.OK);
const nullResponse = response(statusCodes.NULL);
const casFailed = response(statusCodes.CAS_FAILED);
const yes = response(statusCodes.OK, Buffer.from([1]));
const no = response(statusCodes.OK, Buffer.from([0]));
const nullValue = typedHead(storedTypes.null, 0)!;

/** What a command's reply is in the protocol, given that it is no error. */
export type Encoding = (reply: Reply) => Response;

export const encodings = {
  empty: () => okResponse,
  /** One byte. */
  flag: (reply: Reply) => (Number(reply) > 0 ? yes : no),
  swapped: (reply: Reply) => (reply === 1 ? okResponse : casFailed),
  integer: (reply: Reply) => {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64BE(BigInt(reply as number | bigint));
    return response(statusCodes.OK, bytes);
  },
  count: (reply: Reply) => {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(Number(reply));
    return response(statusCodes.OK, bytes);
  },
  value: (reply: Reply) => (reply === null ? nullResponse : valueResponse(reply)),
  values: (reply: Reply) => {
    const items = reply as Reply[];
    const fault = items.find((item) => item instanceof ReplyError && item.code !== 'WRONGTYPE');
    if (fault !== undefined) return errorResponse((fault as ReplyError).message);
    const count = Buffer.allocUnsafe(2);
    count.writeUInt16BE(items.length);
    return response(statusCodes.OK, count, ...items.flatMap(valueParts));
  },
  info: (reply: Reply) => response(statusCodes.OK, Buffer.from(JSON.stringify(infoOf(reply)))),
} satisfies Record<string, Encoding>;

/** An error, and a reply that cannot be shown, as ERROR. */
export function encoded(reply: Reply, encode: Encoding): Response {
  if (reply instanceof ReplyError) return errorResponse(reply.message);
  try {
    return encode(reply);
  } catch (error) {
    return errorResponse(messageOf(error));
  }
}

/** One head for the frame and the value's type: most responses are these. */
function valueResponse(reply: Reply): Response {
  if (!Array.isArray(reply)) return response(statusCodes.OK, nullValue);
  const [type, body] = reply as [StoredType, Buffer];
  const head = knownHead(type, body, frameHeadBytes);
  const bytes = head.byteLength - frameHeadBytes + body.byteLength;
  if (bytes > tcpPayloadBytesMax) return tooLarge(bytes);
  writeFrameHead(head, statusCodes.OK, bytes);
  return [head, body];
}

/** [type, body]; of several keys, one that is not there or has no value to show is Null. */
function valueParts(reply: Reply): Buffer[] {
  if (!Array.isArray(reply)) return [nullValue];
  const [type, body] = reply as [StoredType, Buffer];
  return [knownHead(type, body), body];
}

function knownHead(type: StoredType, body: Buffer, bytesBefore = 0): Buffer {
  const head = typedHead(type, body.byteLength, bytesBefore);
  if (head === undefined) throw new Error(`a value of type ${type} is none of the protocol's`);
  return head;
}

/** What SHARDINFO tells that is shown; shard/info.ts has all of it. */
interface ShardFigures {
  readonly keys: number;
  readonly hot?: { readonly bytes: number };
  readonly disk?: { readonly bytes: number };
}

/** Of one shard, or of all behind a router; those that do not answer are left out. */
function infoOf(reply: Reply): object {
  const shards = (Array.isArray(reply) ? reply : [reply]).flatMap((item) =>
    Buffer.isBuffer(item) ? [JSON.parse(item.toString('utf8')) as ShardFigures] : [],
  );
  const sum = (value: (shard: ShardFigures) => number): number =>
    shards.reduce((total, shard) => total + value(shard), 0);
  return {
    server: 'kvcache',
    shards: shards.length,
    entries: sum(({ keys }) => keys),
    memory_bytes: sum(({ hot }) => hot?.bytes ?? 0),
    disk_bytes: sum(({ disk }) => disk?.bytes ?? 0),
  };
}
