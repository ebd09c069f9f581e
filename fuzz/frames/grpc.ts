/**
 * gRPC as bytes: HTTP/2 frames (RFC 9113), with headers that need no table of what came before (RFC 7541, literals
 * without indexing), so that each frame stands by itself.
 *
 *   length(3) type(1) flags(1) stream(4)  payload        DATA of gRPC: compressed(1) length(4) message
 */
import { Dice } from './random.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const types = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, other: 0x42 };
const endStream = 1;
const endHeaders = 4;

const methods = [
  'kv.KeyValueService/Get',
  'kv.KeyValueService/Set',
  'kv.KeyValueService/MSet',
  'kv.KeyValueService/ScanKeys',
  'kv.KeyValueService/UpdateConfig',
  'kvstore.KVStoreService/Lookup',
  'kvstore.KVStoreService/Read',
  'kvstore.KVStoreService/Write',
  'kvstore.KVStoreService/StreamingRead',
  'kvstore.KeyValueStore/Set',
  'kvstore.KVStore/Put',
  'kvcache.v1.Cache/Execute',
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  'no.Service/Method',
];

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function header(name: string, value: string): Buffer {
  const text = (bytes: string): Buffer => Buffer.concat([Buffer.from([bytes.length]), Buffer.from(bytes, 'latin1')]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value.slice(0, 126))]);
}

/** What a client says first on every connection. */
export const grpcOpening: Buffer = Buffer.concat([preface, frame(types.settings, 0, 0, Buffer.alloc(0))]);

export function* grpcFrames(seed: number): Generator<Buffer, never> {
  const dice = new Dice(seed);
  /** A field of protobuf: number and wire type, and what may or may not fit them. */
  const field = (): Buffer => {
    const tag = (1 + dice.below(8)) * 8 + dice.below(6);
    return Buffer.concat([Buffer.from([tag, dice.below(20)]), dice.bytes(20)]);
  };
  const message = (): Buffer => {
    const fields = Buffer.concat(Array.from({ length: dice.below(4) }, field));
    const head = Buffer.alloc(5);
    head[0] = dice.percent(5) ? dice.below(256) : 0;
    head.writeUInt32BE(dice.percent(8) ? dice.one([0xffff_ffff, 0x7fff_ffff, 100_000_001]) : fields.byteLength, 1);
    return Buffer.concat([head, fields]);
  };
  let stream = -1;
  for (;;) {
    stream = (stream + 2) % 0x7fff_fffe;
    const request = Buffer.concat([
      header(':method', 'POST'),
      header(':scheme', 'http'),
      header(':path', `/${dice.one(methods)}`),
      header('te', 'trailers'),
      header('content-type', dice.percent(90) ? 'application/grpc' : 'text/plain'),
      ...(dice.percent(20) ? [header('grpc-timeout', dice.one(['1S', '1n', '99999999H', '-1S', 'x']))] : []),
    ]);
    const call = [frame(types.headers, endHeaders, stream, request), frame(types.data, endStream, stream, message())];
    if (dice.percent(15)) call.push(frame(types.reset, 0, stream, Buffer.alloc(4)));
    if (dice.percent(10)) call.push(frame(types.window, 0, dice.one([0, stream]), Buffer.from([0x7f, 255, 255, 255])));
    if (dice.percent(10))
      call.push(frame(dice.one(Object.values(types)), dice.below(256), dice.below(9), dice.bytes(40)));
    yield dice.percent(90) ? Buffer.concat(call) : dice.spoilt(Buffer.concat(call));
  }
}
