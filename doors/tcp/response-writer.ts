/**
 * Responses as bytes: a status and a payload. One writer serves all connections of a door (doors/output.ts); the bodies of
 * large values are never copied on their way to the socket.
 */
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { typedHeadBytes, writeTypedHead } from '../../commands/typed-value.ts';
import { messageOf } from '../../errors.ts';
import { tcpPayloadBytesMax } from '../../limits.ts';
import { Output } from '../output.ts';
import {
  type Answer,
  answerOf,
  casFailedAnswer,
  errorAnswer,
  noAnswer,
  nullAnswer,
  okAnswer,
  yesAnswer,
} from './answer.ts';
import type { TcpFigures } from './figures.ts';
import { frameHeadBytes, type StatusByte, statusCodes, writeFrameHead } from './protocol.ts';

const countBytes = 2;
const nothing = Buffer.alloc(0);

/** Writes what a command's reply is in the protocol, given that it is no error. Throws before it has written anything. */
export type Encoding = (reply: Reply, writer: ResponseWriter) => void;

export class ResponseWriter extends Output {
  readonly #figures: Pick<TcpFigures, 'errors' | 'invalid'>;

  constructor(figures: Pick<TcpFigures, 'errors' | 'invalid'>) {
    super();
    this.#figures = figures;
  }

  /** An error, and a reply that cannot be shown, as ERROR. */
  reply(reply: Reply, encode: Encoding): void {
    if (reply instanceof ReplyError) {
      this.answer(errorAnswer(reply.message));
      return;
    }
    try {
      encode(reply, this);
    } catch (error) {
      this.answer(errorAnswer(messageOf(error)));
    }
  }

  answer({ status, payload }: Answer): void {
    if (status === statusCodes.ERROR) this.#figures.errors += 1;
    if (status === statusCodes.INVALID) this.#figures.invalid += 1;
    if (!this.#begin(status, payload.byteLength)) return;
    this.append(payload);
  }

  /** [type, body]; what is there and has no value to show is Null. */
  value(reply: Reply): void {
    const { type, body } = valueOf(reply);
    const headBytes = typedHeadBytes(type);
    if (!this.#begin(statusCodes.OK, headBytes + body.byteLength, headBytes)) return;
    this.#value(type, body);
  }

  /** One after the other, behind their number. */
  values(replies: readonly Reply[]): void {
    const values = replies.map(valueOf);
    const bytes = values.reduce((sum, { type, body }) => sum + typedHeadBytes(type) + body.byteLength, countBytes);
    if (!this.#begin(statusCodes.OK, bytes, countBytes)) return;
    this.slab.writeUInt16BE(values.length, this.at);
    this.at += countBytes;
    for (const { type, body } of values) {
      this.reserve(typedHeadBytes(type));
      this.#value(type, body);
    }
  }

  /** Behind room that is reserved for its head. */
  #value(type: StoredType, body: Buffer): void {
    writeTypedHead(this.slab, this.at, type, body.byteLength);
    this.at += typedHeadBytes(type);
    this.append(body);
  }

  /**
   * The head of a response, with room for so many bytes behind it. False: no response holds so much, and an error says so
   * instead.
   */
  #begin(status: StatusByte, payloadBytes: number, reserved = 0): boolean {
    if (payloadBytes > tcpPayloadBytesMax) {
      this.answer(errorAnswer(`the answer has ${payloadBytes} bytes; at most 64 MB fit a response`));
      return false;
    }
    this.reserve(frameHeadBytes + reserved);
    writeFrameHead(this.slab, this.at, status, payloadBytes);
    this.at += frameHeadBytes;
    return true;
  }
}

export const encodings = {
  empty: (_reply, writer) => writer.answer(okAnswer),
  /** One byte. */
  flag: (reply, writer) => writer.answer(Number(reply) > 0 ? yesAnswer : noAnswer),
  swapped: (reply, writer) => writer.answer(reply === 1 ? okAnswer : casFailedAnswer),
  integer: (reply, writer) => {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64BE(BigInt(reply as number | bigint));
    writer.answer(answerOf(statusCodes.OK, bytes));
  },
  count: (reply, writer) => {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(Number(reply));
    writer.answer(answerOf(statusCodes.OK, bytes));
  },
  value: (reply, writer) => {
    if (reply === null) writer.answer(nullAnswer);
    else writer.value(reply);
  },
  values: (reply, writer) => {
    const items = reply as Reply[];
    const fault = items.find((item) => item instanceof ReplyError && item.code !== 'WRONGTYPE');
    if (fault !== undefined) writer.answer(errorAnswer((fault as ReplyError).message));
    else writer.values(items);
  },
  info: (reply, writer) => writer.answer(answerOf(statusCodes.OK, Buffer.from(JSON.stringify(infoOf(reply))))),
} satisfies Record<string, Encoding>;

function valueOf(reply: Reply): { readonly type: StoredType; readonly body: Buffer } {
  if (!Array.isArray(reply)) return nullValue;
  const [type, body] = reply as [StoredType, Buffer];
  return { type, body };
}

const nullValue = { type: storedTypes.null, body: nothing };

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
