/**
 * What a method is, to server and client: the same shape that grpc-js and ts-proto's generated definitions have, so
 * that theirs fit as they stand. Only the serializers differ by permitting more: a gather list of buffers, which goes
 * out without being joined, so that a large value is never copied on its way to the socket.
 */

/** One message's bytes, whole or in parts that follow each other. */
export type MessageParts = Uint8Array | readonly Uint8Array[];

export interface ServerMethod<Request, Response> {
  /** `/package.Service/Method` */
  readonly path: string;
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
/** A part up to this size is copied behind the prefix: cheaper than a second buffer on the socket. */
const joinedBytesMax = 16 * 1024;

/** Length-prefixed message: one zero byte (not compressed), four of big-endian length, then the message. */
export function framed(parts: MessageParts): readonly Uint8Array[] {
  if (parts instanceof Uint8Array) return framedList([parts], parts.byteLength);
  let length = 0;
  for (const part of parts) length += part.byteLength;
  return framedList(parts, length);
}

function framedList(parts: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  const first = parts[0];
  const joined = first !== undefined && first.byteLength <= joinedBytesMax ? first : undefined;
  const head = Buffer.allocUnsafe(prefixBytes + (joined?.byteLength ?? 0));
  head[0] = 0;
  head.writeUInt32BE(length, 1);
  if (joined) head.set(joined, prefixBytes);
  const rest = joined ? parts.slice(1) : parts;
  return rest.length === 0 ? [head] : [head, ...rest];
}

export function bytesOf(buffers: readonly Uint8Array[]): number {
  let sum = 0;
  for (const buffer of buffers) sum += buffer.byteLength;
  return sum;
}
