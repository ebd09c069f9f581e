/**
 * The messages of kv.KeyValueService that carry values, without copying a value; layouts are protos/kv.proto's and
 * tests hold them against the generated code. Everything small is left to that.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { MessageParts } from '../../grpc/method.ts';
import { fieldBytes, Gather } from './gather.ts';

export interface IncomingSet {
  key: Buffer;
  value: Buffer;
  ttl: bigint;
}

export interface OutgoingGet {
  readonly value: Buffer | undefined;
  readonly error: string;
}

/** Key and value of a map entry; the key is UTF-8. */
export type KeyValue = readonly [key: Buffer, value: Buffer];

export interface IncomingKeyValues {
  readonly pairs: KeyValue[];
  ttl: bigint;
}

export interface OutgoingKeyValues {
  readonly pairs: readonly KeyValue[];
  readonly error: string;
}

export interface OutgoingKeys {
  readonly keys: readonly Buffer[];
  readonly error: string;
}

const nothing = Buffer.alloc(0);

/** Key and value are views of the message. */
export function decodeSet(bytes: Buffer): IncomingSet {
  const set: IncomingSet = { key: nothing, value: nothing, ttl: 0n };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) set.key = viewOf(reader.bytes());
    else if (field === 2 && wireType === WireType.LengthDelimited) set.value = viewOf(reader.bytes());
    else if (field === 3 && wireType === WireType.Varint) set.ttl = BigInt(reader.int64());
    else reader.skip(wireType, field);
  }
  return set;
}

/** GetRequest and DeleteRequest. */
export function decodeKey(bytes: Buffer): Buffer {
  let key: Buffer = nothing;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) key = viewOf(reader.bytes());
    else reader.skip(wireType, field);
  }
  return key;
}

export function decodeKeyValues(bytes: Buffer): IncomingKeyValues {
  const message: IncomingKeyValues = { pairs: [], ttl: 0n };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) {
      // An entry has the shape of a SetRequest without a ttl.
      const { key, value } = decodeSet(viewOf(reader.bytes()));
      message.pairs.push([key, value]);
    } else if (field === 2 && wireType === WireType.Varint) message.ttl = BigInt(reader.int64());
    else reader.skip(wireType, field);
  }
  return message;
}

export function encodeGet({ value, error }: OutgoingGet): MessageParts {
  if (!value) return new Gather().string(3, error).finish();
  return new Gather(value.byteLength < 4096 ? value.byteLength + 16 : 32).bool(2, true).bytes(1, value).finish();
}

export function encodeKeyValues({ pairs, error }: OutgoingKeyValues): MessageParts {
  const gather = new Gather();
  for (const [key, value] of pairs) {
    gather.length(1, fieldBytes(key.byteLength) + fieldBytes(value.byteLength));
    gather.bytes(1, key).bytes(2, value);
  }
  return gather.string(2, error).finish();
}

export function encodeKeys({ keys, error }: OutgoingKeys): MessageParts {
  const gather = new Gather();
  for (const key of keys) gather.bytes(1, key);
  return gather.string(2, error).finish();
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
