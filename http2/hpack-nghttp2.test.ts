/** Against another's HPACK: node:http2 has nghttp2's. Its frames are taken apart and put together by hand here. */
import { once } from 'node:events';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  sensitiveHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { HeaderFields, OutgoingFields } from './header-fields.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const frameType = { headers: 0x1, settings: 0x4, continuation: 0x9 };
const endStream = 0x1;
const endHeaders = 0x4;
const hasPriority = 0x20;
const acknowledges = 0x1;
const headerTableSize = 0x1;
const customValueInHuffman = '8925a849e95bb8e8b4bf';
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function settings(tableBytes: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(headerTableSize, 0);
  payload.writeUInt32BE(tableBytes, 2);
  return frame(frameType.settings, 0, 0, payload);
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Frames that come on `socket`, after as many bytes as the preface has. */
function onFrames(socket: Socket, skipped: number, onFrame: (frame: Frame) => void): void {
  let rest = Buffer.alloc(0);
  let skip = skipped;
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    if (rest.length < skip) return;
    rest = rest.subarray(skip);
    skip = 0;
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const [type, flags] = [rest[3]!, rest[4]!];
      const [stream, payload] = [rest.readUInt32BE(5), rest.subarray(9, end)];
      rest = rest.subarray(end);
      onFrame({ type, flags, stream, payload });
    }
  });
}

/** A server that answers each request with 200 and gives its fields and their block to `onFields`. */
async function serveByHand(
  tableBytes: number,
  onFields: (fields: HeaderFields, block: Buffer) => void,
): Promise<number> {
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    answerAll(socket, tableBytes, onFields);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

function answerAll(socket: Socket, tableBytes: number, onFields: (fields: HeaderFields, block: Buffer) => void): void {
  const decoder = new HpackDecoder({ tableBytesMax: tableBytes, listBytesMax: 1 << 20 });
  const encoder = new HpackEncoder({ tableBytesMax: 4_096 });
  const fragments: Buffer[] = [];
  socket.write(settings(tableBytes));
  onFrames(socket, preface.length, ({ type, flags, stream, payload }) => {
    if (type === frameType.settings && (flags & acknowledges) === 0) {
      socket.write(frame(frameType.settings, acknowledges, 0, Buffer.alloc(0)));
    }
    if (type !== frameType.headers && type !== frameType.continuation) return;
    // A priority of five bytes stands before the block where a flag says so.
    fragments.push(payload.subarray(type === frameType.headers && (flags & hasPriority) !== 0 ? 5 : 0));
    if ((flags & endHeaders) === 0) return;
    const block = Buffer.concat(fragments.splice(0));
    onFields(decoder.decode(block) as HeaderFields, block);
    expect(decoder.fault).toBeUndefined();
    const answer = encoder.encode({ ':status': '200', 'x-stream': String(stream) });
    socket.write(frame(frameType.headers, endHeaders | endStream, stream, answer));
  });
}

/** Small numbers from a seed, the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomFields(next: (below: number) => number): Record<string, string> {
  const fields: Record<string, string> = {
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': 'shard-0:6400',
    ':path': `/kvcache.v1.Cache/${['Get', 'Set', 'Delete'][next(3)]!}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${next(100_000)}u`,
    'x-sample': 'custom-value',
  };
  for (let count = next(6); count > 0; count--) {
    const length = next(10) === 0 ? next(2_000) : next(40);
    // Visible characters and bytes above ASCII: the whole of Huffman's code that a header may use.
    const codes = Array.from({ length }, () => (next(3) === 0 ? 0xa1 + next(0x5f) : 0x21 + next(0x5e)));
    fields[`x-${String.fromCharCode(97 + next(26))}`] = String.fromCharCode(...codes);
  }
  if (next(4) === 0) fields['authorization'] = `Bearer ${next(3)}`;
  return fields;
}

describe.each([4_096, 300, 0])("nghttp2's header blocks, with a table of %i bytes", (tableBytes) => {
  it('are decoded: indexed, Huffman or plain, with evictions', async () => {
    const seen: HeaderFields[] = [];
    const blocks: Buffer[] = [];
    const port = await serveByHand(tableBytes, (fields, block) => {
      seen.push(fields);
      blocks.push(block);
    });
    const client = connectHttp2(`http://127.0.0.1:${port}`, { settings: { enablePush: false } });
    closers.push(() => client.destroy());
    await once(client, 'remoteSettings');
    const next = numbers(tableBytes + 1);
    const sent = Array.from({ length: 150 }, () => randomFields(next));
    for (const [index, fields] of sent.entries()) {
      const stream = client.request(fields, { endStream: true });
      stream.resume();
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      expect(headers['x-stream']).toBe(String(stream.id));
      expect({ ...seen[index] }).toEqual(fields);
    }
    expect(blocks[0]!.toString('hex')).toContain(customValueInHuffman);
  });
});

describe('our header blocks', () => {
  it('are what nghttp2 takes them for, with evictions and a table that changes its size', async () => {
    const received: IncomingHttpHeaders[] = [];
    const server = createHttp2Server({ settings: { headerTableSize: 1_000, maxHeaderListSize: 1 << 20 } });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      received.push(headers);
      stream.respond({ ':status': 200, 'x-seen': headers[':path']! }, { endStream: true });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const next = numbers(7);
    const sent = Array.from({ length: 150 }, () => randomFields(next));
    const answers = await sendByHand((server.address() as AddressInfo).port, sent);
    for (const [index, fields] of sent.entries()) {
      expect(Object.fromEntries(Object.entries(received[index]!))).toEqual(fields);
      // Node lists the names that came as never indexed.
      expect((received[index] as Record<symbol, unknown>)[sensitiveHeaders]).toEqual(
        'authorization' in fields ? ['authorization'] : [],
      );
      expect(answers[index]).toMatchObject({ ':status': '200', 'x-seen': fields[':path'] });
    }
  });
});

/** Sends requests one by one and resolves with the fields of their answers. */
function sendByHand(port: number, requests: readonly OutgoingFields[]): Promise<HeaderFields[]> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  const encoder = new HpackEncoder({ tableBytesMax: 4_096 });
  const decoder = new HpackDecoder({ tableBytesMax: 4_096, listBytesMax: 1 << 20 });
  const answers: HeaderFields[] = [];
  const sendNext = (): void => {
    const block = encoder.encode(requests[answers.length]!);
    socket.write(frame(frameType.headers, endHeaders | endStream, 2 * answers.length + 1, block));
  };
  socket.write(Buffer.concat([preface, settings(4_096)]));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${answers.length} answers`)));
    onFrames(socket, 0, ({ type, flags, payload }) => {
      if (type === frameType.settings && (flags & acknowledges) === 0) {
        for (let at = 0; at < payload.length; at += 6) {
          if (payload.readUInt16BE(at) === headerTableSize) encoder.peerTableBytesMax = payload.readUInt32BE(at + 2);
        }
        socket.write(frame(frameType.settings, acknowledges, 0, Buffer.alloc(0)));
        sendNext();
      } else if (type === frameType.headers) {
        answers.push(decoder.decode(payload) as HeaderFields);
        if (answers.length === requests.length) resolve(answers);
        else sendNext();
      }
    });
  });
}
