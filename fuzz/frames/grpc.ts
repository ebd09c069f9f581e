/**
 * gRPC as bytes: HTTP/2 frames (RFC 9113), whole, padded and in pieces, around header blocks (RFC 7541) that in general
 * need no table of what came before, so that each frame stands by itself.
 *
 *   length(3) type(1) flags(1) stream(4)  payload        DATA of gRPC: compressed(1) length(4) message
 */
import { Dice } from './random.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
  other: 0x42,
};
const endStream = 1;
const endHeaders = 4;
const padded = 8;
/** SETTINGS by id: the size of the peer's table, streams, window, frames. */
const settings = [
  [1, 0],
  [1, 4_096],
  [3, 1],
  [4, 0],
  [4, 1],
  [4, 65_535],
  [4, 0x7fff_ffff],
  [5, 16_384],
] as const;

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

/** As a literal: without indexing, never indexed, or put into the table. */
function header(name: string, value: string, kind = 0): Buffer {
  const text = (bytes: string): Buffer => Buffer.concat([Buffer.from([bytes.length]), Buffer.from(bytes, 'latin1')]);
  return Buffer.concat([Buffer.from([kind]), text(name), text(value.slice(0, 126))]);
}

const literals = [0x00, 0x10, 0x40];
/** Of the static table: POST and http. */
const indexed = [Buffer.from([0x83]), Buffer.from([0x86])];

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
  /** Padded or not. */
  const padding = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    if (!dice.percent(10)) return frame(type, flags, stream, payload);
    const bytes = dice.below(9);
    const around = Buffer.concat([Buffer.from([bytes]), payload, Buffer.alloc(bytes)]);
    return frame(type, flags | padded, stream, around);
  };
  /** In one HEADERS, or with the rest of it in CONTINUATION. */
  const headers = (stream: number, flags: number, block: Buffer): Buffer => {
    if (!dice.percent(15)) return padding(types.headers, flags | endHeaders, stream, block);
    const cuts = [dice.below(block.byteLength + 1), dice.below(block.byteLength + 1)].toSorted((one, two) => one - two);
    return Buffer.concat([
      padding(types.headers, flags, stream, block.subarray(0, cuts[0])),
      frame(types.continuation, 0, stream, block.subarray(cuts[0], cuts[1])),
      frame(types.continuation, endHeaders, stream, block.subarray(cuts[1])),
    ]);
  };
  /** In one DATA, or in several, the last of them empty; or with trailers behind it. */
  const body = (stream: number): Buffer => {
    const bytes = message();
    if (dice.percent(80)) return padding(types.data, endStream, stream, bytes);
    const cut = dice.below(bytes.byteLength + 1);
    return Buffer.concat([
      padding(types.data, 0, stream, bytes.subarray(0, cut)),
      padding(types.data, 0, stream, bytes.subarray(cut)),
      dice.percent(70)
        ? padding(types.data, endStream, stream, Buffer.alloc(0))
        : headers(stream, endStream, header('x', 'y')),
    ]);
  };
  const setting = (): Buffer => {
    const [id, value] = dice.one(settings);
    const payload = Buffer.alloc(6);
    payload.writeUInt16BE(id, 0);
    payload.writeUInt32BE(value, 2);
    return frame(types.settings, 0, 0, payload);
  };
  let stream = -1;
  for (;;) {
    stream = (stream + 2) % 0x7fff_fffe;
    const literal = dice.one(literals);
    const request = Buffer.concat([
      ...(dice.percent(5) ? [Buffer.from([0x20 | dice.below(32)])] : []),
      ...(dice.percent(50) ? indexed : [header(':method', 'POST', literal), header(':scheme', 'http', literal)]),
      header(':path', `/${dice.one(methods)}`, literal),
      header('te', 'trailers', literal),
      header('content-type', dice.percent(90) ? 'application/grpc' : 'text/plain', literal),
      ...(dice.percent(20) ? [header('grpc-timeout', dice.one(['1S', '1n', '99999999H', '-1S', 'x']))] : []),
      ...(dice.percent(2) ? [Buffer.from([0x80 | dice.below(128)])] : []),
    ]);
    const call = [headers(stream, 0, request), body(stream)];
    if (dice.percent(15)) call.push(frame(types.reset, 0, stream, Buffer.alloc(4)));
    if (dice.percent(10)) call.push(frame(types.window, 0, dice.one([0, stream]), Buffer.from([0x00, 0x7f, 255, 255])));
    if (dice.percent(10)) call.push(setting());
    if (dice.percent(5))
      call.push(frame(dice.one(Object.values(types)), dice.below(256), dice.below(9), dice.bytes(40)));
    yield dice.percent(95) ? Buffer.concat(call) : dice.spoilt(Buffer.concat(call));
  }
}
