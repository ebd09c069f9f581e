/**
 * What a method is, to server and client: the same shape that grpc-js and ts-proto's generated definitions have, so
 * that theirs fit as they stand. Only the serializers differ by permitting more: a gather list of buffers, which goes
 * out without being joined, so that a large value is never copied on its way to the socket.
 */
import { bytesOf } from '../byte-parts.ts';
import type { ReceiveMemory } from '../receive-memory.ts';

/** One message's bytes, whole or in parts that follow each other. */
export type MessageParts = Uint8Array | readonly Uint8Array[];

export interface ServerMethod<Request, Response> {
  /** `/package.Service/Method` */
  readonly path: string;
  /** For its large requests; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
  /** Throws for bytes that are no such message. Below 4 KiB the bytes may be a view of a larger memory. */
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => MessageParts;
}

export interface ClientMethod<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => MessageParts;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

const prefixBytes = 5;

/** Length-prefixed message: one zero byte (not compressed), four of big-endian length, then the message. */
export function framed(message: MessageParts): readonly Uint8Array[] {
  const parts = message instanceof Uint8Array ? [message] : message;
  const prefix = Buffer.allocUnsafe(prefixBytes);
  prefix[0] = 0;
  prefix.writeUInt32BE(bytesOf(parts), 1);
  return [prefix, ...parts];
}
