/** What a peer hears that breaks the rules: frames by hand, and the code of the GOAWAY or RST_STREAM that they earn. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { http2FrameBytesMax } from '../limits.ts';
import { until } from '../testing/until.ts';
import { clientPreface, errorCode, frameFlag, frameType } from './protocol.ts';
import { openClient, request, TestServer } from './testing/endpoints.ts';
import { raw, rawFields, rawFrame, rawOpening, RawPeer, rawServer, requestFields, u32 } from './testing/raw-peer.ts';

const { endHeaders, endStream, padded, priority, acknowledgement } = frameFlag;
const { protocolError, flowControlError, frameSizeError, streamClosed, compressionError } = errorCode;
const { refusedStream, enhanceYourCalm } = errorCode;
const windowMost = 2 ** 31 - 1;

let server: TestServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serverAndPeer(): Promise<RawPeer> {
  // Streams stay open, unless their client ends them.
  server = await TestServer.listen(() => undefined, { streamsMax: 2 });
  return RawPeer.connect(server.port);
}

const headersOf = (flags: number, payload: Uint8Array, stream = 1): Buffer =>
  rawFrame(frameType.headers, flags, stream, payload);
const continuation = (flags: number, payload: Uint8Array, stream = 1): Buffer =>
  rawFrame(frameType.continuation, flags, stream, payload);
const block = rawFields(requestFields);
const nothing = Buffer.alloc(0);
const setting = (id: number, value: number): readonly Buffer[] => [rawOpening, raw.settings([id, value])];
const opened = (...frames: readonly Buffer[]): readonly Buffer[] => [rawOpening, ...frames];
const withStream = (...frames: readonly Buffer[]): readonly Buffer[] => [rawOpening, raw.request(1), ...frames];

type Case = readonly [what: string, frames: readonly Uint8Array[], code: number];

const endOfConnection: readonly Case[] = [
  ['another protocol', [Buffer.from('GET / HTTP/1.1\r\nhost: here\r\n\r\n')], protocolError],
  ['a preface that goes wrong at its end', [clientPreface.subarray(0, 23), Buffer.from('x')], protocolError],
  ['no settings first', [clientPreface, raw.ping()], protocolError],
  ['an answer to settings first', [clientPreface, raw.settingsAnswer()], protocolError],
  ['an unknown frame before settings', [clientPreface, rawFrame(0x42, 0, 0)], protocolError],
  ['data before settings', [clientPreface, raw.data(1, nothing)], protocolError],

  ['settings of a stream', opened(rawFrame(frameType.settings, 0, 1)), protocolError],
  ['settings of five bytes', opened(rawFrame(frameType.settings, 0, 0, Buffer.alloc(5))), frameSizeError],
  [
    'an answer to settings that says something',
    opened(rawFrame(frameType.settings, 1, 0, Buffer.alloc(6))),
    frameSizeError,
  ],
  ['ENABLE_PUSH of 2', setting(2, 2), protocolError],
  ['INITIAL_WINDOW_SIZE of 2³¹', setting(4, 2 ** 31), flowControlError],
  ['MAX_FRAME_SIZE of 16,383', setting(5, 16_383), protocolError],
  ['MAX_FRAME_SIZE of 2²⁴', setting(5, 2 ** 24), protocolError],
  [
    'settings that make a window too large',
    withStream(raw.window(1, windowMost - 65_535), raw.settings([4, 65_536])),
    flowControlError,
  ],

  ['a ping of seven bytes', opened(rawFrame(frameType.ping, 0, 0, Buffer.alloc(7))), frameSizeError],
  ['a ping of a stream', opened(rawFrame(frameType.ping, 0, 1, Buffer.alloc(8))), protocolError],
  ['GOAWAY of a stream', opened(rawFrame(frameType.goAway, 0, 1, u32(0, 0))), protocolError],
  ['GOAWAY of seven bytes', opened(rawFrame(frameType.goAway, 0, 0, Buffer.alloc(7))), protocolError],

  ['WINDOW_UPDATE of three bytes', opened(rawFrame(frameType.windowUpdate, 0, 0, Buffer.alloc(3))), frameSizeError],
  ['WINDOW_UPDATE by nothing', opened(raw.window(0, 0)), protocolError],
  ['WINDOW_UPDATE of a stream by nothing', withStream(raw.window(1, 0)), protocolError],
  ['WINDOW_UPDATE of a stream that has not begun', opened(raw.window(1, 1)), protocolError],
  ['a window of the connection above 2³¹ − 1', opened(raw.window(0, windowMost)), flowControlError],

  ['PRIORITY without a stream', opened(rawFrame(frameType.priority, 0, 0, Buffer.alloc(5))), protocolError],
  ['PRIORITY of four bytes', opened(rawFrame(frameType.priority, 0, 1, Buffer.alloc(4))), frameSizeError],
  ['PUSH_PROMISE', opened(rawFrame(frameType.pushPromise, endHeaders, 1, u32(2))), protocolError],

  ['RST_STREAM without a stream', opened(raw.reset(0)), protocolError],
  ['RST_STREAM of a stream that has not begun', opened(raw.reset(1)), protocolError],
  ['RST_STREAM of three bytes', withStream(rawFrame(frameType.reset, 0, 1, Buffer.alloc(3))), frameSizeError],

  ['DATA without a stream', opened(raw.data(0, Buffer.from('x'))), protocolError],
  ['DATA of a stream that has not begun', opened(raw.data(1, Buffer.from('x'))), protocolError],
  ['DATA with more padding than payload', withStream(rawFrame(0, padded, 1, Buffer.from([3, 0, 0]))), protocolError],
  ['padded DATA without the length of its padding', withStream(rawFrame(0, padded, 1)), protocolError],
  ['a frame above what we take', opened(rawFrame(0x42, 0, 0, Buffer.alloc(http2FrameBytesMax + 1))), frameSizeError],

  ['HEADERS without a stream', opened(raw.request(0)), protocolError],
  ['HEADERS of an even stream', opened(raw.request(2)), protocolError],
  ['a request on a smaller number', opened(raw.request(5), raw.request(3)), protocolError],
  ['a request on a stream that is over', withStream(raw.reset(1), raw.request(1)), protocolError],
  [
    'HEADERS with more padding than payload',
    opened(headersOf(endHeaders | padded, Buffer.from([9, 0]))),
    protocolError,
  ],
  ['HEADERS too short for their priority', opened(headersOf(endHeaders | priority, Buffer.alloc(4))), protocolError],
  ['a block that is none', opened(headersOf(endHeaders, Buffer.from([0x00, 0x85, 0xff]))), compressionError],
  ['an index that is none', opened(headersOf(endHeaders, Buffer.from([0xff, 0xff, 0x7f]))), compressionError],
  ['a table above what we announced', opened(headersOf(endHeaders, Buffer.from([0x3f, 0xff, 0x7f]))), compressionError],

  ['CONTINUATION out of nothing', opened(continuation(endHeaders, block)), protocolError],
  ['CONTINUATION behind the end of a block', withStream(continuation(endHeaders, block)), protocolError],
  ['CONTINUATION of another stream', opened(headersOf(0, block), continuation(endHeaders, nothing, 3)), protocolError],
  ['a ping within a block', opened(headersOf(0, block), raw.ping()), protocolError],
  ['an unknown frame within a block', opened(headersOf(0, block), rawFrame(0x42, 0, 1)), protocolError],
  ['DATA within a block', opened(headersOf(0, block), raw.data(1, nothing)), protocolError],
  ['HEADERS within a block', opened(headersOf(0, block), raw.request(3)), protocolError],
  [
    'a block in too many frames',
    opened(headersOf(0, block), ...Array.from({ length: 100 }, () => continuation(0, nothing))),
    enhanceYourCalm,
  ],
  [
    'a block of too many bytes',
    opened(headersOf(0, block), ...Array.from({ length: 5 }, () => continuation(0, Buffer.alloc(16_000)))),
    enhanceYourCalm,
  ],
];

const field = (name: string, value: string): readonly Uint8Array[] =>
  opened(raw.headers(1, [...requestFields, [name, value]]));
const without = (name: string): readonly Uint8Array[] =>
  opened(
    raw.headers(
      1,
      requestFields.filter(([item]) => item !== name),
    ),
  );

const endOfStream: readonly Case[] = [
  ['DATA behind its end', withStream(raw.data(1, nothing, true), raw.data(1, Buffer.from('x'))), streamClosed],
  ['HEADERS behind its end', opened(raw.request(1, true), raw.headers(1, [['x', 'y']], true)), streamClosed],
  ['a window above 2³¹ − 1', withStream(raw.window(1, windowMost)), flowControlError],
  ['trailers that end nothing', withStream(raw.headers(1, [['x', 'y']])), protocolError],
  ['trailers with a pseudo-header field', withStream(raw.request(1, true)), protocolError],
  ['trailers that are not well formed', withStream(raw.headers(1, [['X', 'y']], true)), protocolError],
  [
    'too many fields',
    opened(
      raw.headers(1, [...requestFields, ...Array.from({ length: 200 }, (_, index) => [`x-${index}`, 'y'] as const)]),
    ),
    enhanceYourCalm,
  ],
  ['no method', without(':method'), protocolError],
  ['no scheme', without(':scheme'), protocolError],
  ['no path', without(':path'), protocolError],
  ['an empty path', opened(raw.headers(1, [...requestFields.slice(0, 2), [':path', '']])), protocolError],
  ['two paths', field(':path', '/other'), protocolError],
  ['a status in a request', field(':status', '200'), protocolError],
  ['an unknown pseudo-header field', field(':what', 'x'), protocolError],
  ['a pseudo-header field behind others', opened(raw.headers(1, [['x', 'y'], ...requestFields])), protocolError],
  ['a name in upper case', field('Name', 'x'), protocolError],
  ['an empty name', field('', 'x'), protocolError],
  ['a line break in a value', field('x', 'a\r\nb'), protocolError],
  ['a connection field of HTTP/1', field('connection', 'keep-alive'), protocolError],
  ['transfer-encoding', field('transfer-encoding', 'chunked'), protocolError],
  ['te other than trailers', field('te', 'gzip'), protocolError],
];

describe('a server', () => {
  it.each(endOfConnection)('ends the connection for %s', async (_what, frames, code) => {
    const peer = await serverAndPeer();
    peer.send(...frames);
    expect(await peer.farewell()).toBe(code);
  });

  it('leaves no timer behind when a connection that it ends is gone', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const peer = await serverAndPeer();
      peer.send(rawOpening, raw.ping(), rawFrame(0x42, 0, 0, nothing), raw.window(0, 0));
      await peer.farewell();
      await until(() => vi.getTimerCount() > 0);
      peer.socket.destroy();
      await until(() => vi.getTimerCount() === 0);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each(endOfStream)('resets the stream for %s', async (_what, frames, code) => {
    const peer = await serverAndPeer();
    peer.send(...frames);
    expect(await peer.resetOf(1)).toBe(code);
    await peer.settle();
    // Others are served as before.
    peer.send(raw.request(7));
    await peer.settle();
    expect(peer.frames.some((item) => item.stream === 7 && item.type === frameType.reset)).toBe(false);
    expect(server!.streams.filter(({ received }) => !received.isClosed).map(({ stream: { id } }) => id)).toContain(7);
  });

  it('refuses a stream above those that may be open at once, until one of them is over', async () => {
    const peer = await serverAndPeer();
    peer.send(rawOpening, raw.request(1), raw.request(3), raw.request(5), raw.data(5, Buffer.from('x'), true));
    expect(await peer.resetOf(5)).toBe(refusedStream);
    peer.send(raw.reset(1), raw.request(7));
    await peer.settle();
    expect(server!.streams.map(({ stream: { id } }) => id)).toEqual([1, 3, 7]);
    expect(peer.frames.some((item) => item.stream === 7 && item.type === frameType.reset)).toBe(false);
  });

  it('lets pass what is allowed, however odd', async () => {
    const peer = await serverAndPeer();
    peer.send(
      rawOpening,
      raw.settingsAnswer(),
      raw.settings([0x99, 7], [4, 0], [4, 100], [1, 0], [3, 0], [6, 1]),
      rawFrame(0x42, 0xff, 9, Buffer.alloc(100)),
      rawFrame(frameType.priority, 0, 77, Buffer.alloc(5)),
      headersOf(
        padded | priority,
        Buffer.concat([Buffer.from([2]), Buffer.alloc(5), block.subarray(0, 9), Buffer.alloc(2)]),
      ),
      continuation(0, block.subarray(9, 10)),
      continuation(0, nothing),
      continuation(endHeaders, block.subarray(10)),
      rawFrame(0, padded, 1, Buffer.concat([Buffer.from([3]), Buffer.from('ab'), Buffer.alloc(3)])),
      rawFrame(0, padded, 1, Buffer.from([0])),
      raw.data(1, nothing),
      // The reserved bit of a stream's number says nothing.
      rawFrame(0, 0, 2 ** 31 + 1, Buffer.from('cd')),
      raw.ping('one more'),
      rawFrame(frameType.ping, acknowledgement, 0, Buffer.alloc(8)),
      raw.headers(1, [['checksum', '7']], true),
    );
    await peer.settle();
    const { received, fields } = server!.streams[0]!;
    expect(fields).toEqual(Object.fromEntries(requestFields));
    expect(received.body.toString()).toBe('abcd');
    expect(received.hasEnded).toBe(true);
    expect(peer.frames.some(({ type }) => type === frameType.goAway || type === frameType.reset)).toBe(false);
    expect(peer.frames.filter(({ type, flags }) => type === frameType.settings && flags === 1)).toHaveLength(2);
  });

  it('takes no notice of what was on its way to a stream that it has reset', async () => {
    const peer = await serverAndPeer();
    peer.send(rawOpening, raw.request(1), raw.data(1, Buffer.from('x')));
    await peer.settle();
    server!.streams[0]!.stream.reset(errorCode.cancel);
    expect(await peer.resetOf(1)).toBe(errorCode.cancel);
    peer.send(raw.data(1, Buffer.alloc(1_000)), raw.window(1, 5), raw.headers(1, [['x', 'y']], true), raw.reset(1));
    await peer.settle();
    expect(server!.streams[0]!.received.body.toString()).toBe('x');
    expect(peer.frames.some(({ type }) => type === frameType.goAway)).toBe(false);
  });

  it('ends the connection for more data than its window, whoever the data is for', async () => {
    server = await TestServer.listen(({ stream }) => stream.pause(), {
      streamWindowBytes: 1_000_000,
      connectionWindowBytes: 65_535,
    });
    const peer = await RawPeer.connect(server.port);
    peer.send(rawOpening, raw.request(1));
    for (let left = 65_536; left > 0; left -= 16_384) peer.send(raw.data(1, Buffer.alloc(Math.min(left, 16_384))));
    expect(await peer.farewell()).toBe(flowControlError);
  });

  it('resets a stream for more data than its window, but not for what was sent before our settings were read', async () => {
    server = await TestServer.listen(({ stream }) => stream.pause(), {
      streamWindowBytes: 100,
      connectionWindowBytes: 1_000_000,
    });
    const peer = await RawPeer.connect(server.port);
    peer.send(rawOpening, raw.request(1), raw.request(3));
    for (let left = 65_535; left > 0; left -= 16_384) peer.send(raw.data(1, Buffer.alloc(Math.min(left, 16_384))));
    await peer.settle();
    expect(server.streams[0]!.received.isClosed).toBe(false);
    peer.send(raw.data(1, Buffer.alloc(1)));
    expect(await peer.resetOf(1)).toBe(flowControlError);
    await peer.settle();
    expect(server.streams[1]!.received.isClosed).toBe(false);
  });

  it('ignores new streams of a client that it has told to go, and whatever follows on them', async () => {
    const peer = await serverAndPeer();
    peer.send(rawOpening, raw.request(1));
    await peer.settle();
    server!.connections[0]!.http2.drain();
    const asked = await peer.heard(({ type, flags }) => type === frameType.ping && flags === 0);
    peer.send(rawFrame(frameType.ping, acknowledgement, 0, asked!.payload));
    const last = await peer.heard(({ type, payload }) => type === frameType.goAway && payload.readUInt32BE(0) === 1);
    expect(last?.payload.readUInt32BE(4)).toBe(errorCode.noError);
    peer.send(raw.request(3), raw.data(3, Buffer.from('x')), raw.window(3, 9));
    expect(await peer.resetOf(3)).toBe(refusedStream);
    peer.send(raw.data(3, nothing, true));
    await peer.settle();
    expect(server!.streams).toHaveLength(1);
    server!.streams[0]!.stream.sendHeaders({ ':status': '200' }, true);
    peer.send(raw.data(1, nothing, true));
    // All that there was is over.
    expect(await peer.farewell()).toBe(errorCode.noError);
    expect(peer.frames.some(({ type, stream, flags }) => type === 1 && stream === 1 && (flags & endStream) !== 0)).toBe(
      true,
    );
  });
});

describe('a client', () => {
  const opening = raw.settings();
  const response = raw.headers(1, [[':status', '200']]);

  /** Answers every client with these frames as soon as it has sent its first request. */
  async function answered(frames: readonly Buffer[]): Promise<{
    code: number | undefined;
    isLost: boolean;
    farewell: number | undefined;
  }> {
    const peers: RawPeer[] = [];
    const { server: plain, port } = await rawServer((peer) => {
      peers.push(peer);
      void peer.heard(({ type }) => type === frameType.headers).then(() => peer.send(...frames));
    });
    const client = await openClient(port);
    const { received } = request(client);
    const { code, isLost } = await received.closed;
    client.http2.destroy();
    await client.closed;
    const farewell = await peers[0]!.farewell();
    plain.close();
    return { code, isLost, farewell };
  }

  it.each<Case>([
    ['no settings first', [raw.ping()], protocolError],
    ['an answer of HTTP/1', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], frameSizeError],
    ['PUSH_PROMISE', [opening, rawFrame(frameType.pushPromise, endHeaders, 1, u32(2))], protocolError],
    ['a stream of the server’s own', [opening, raw.headers(2, [[':status', '200']])], protocolError],
    ['HEADERS of a stream that it has not begun', [opening, raw.headers(3, [[':status', '200']])], protocolError],
    ['DATA of a stream that it has not begun', [opening, raw.data(3, nothing)], protocolError],
    ['RST_STREAM of a stream that it has not begun', [opening, raw.reset(3)], protocolError],
    ['a block that is none', [opening, headersOf(endHeaders, Buffer.from([0x80]))], compressionError],
  ])('ends the connection for %s', async (_what, frames, code) => {
    expect(await answered(frames as Buffer[])).toEqual({ code: errorCode.cancel, isLost: true, farewell: code });
  });

  it.each<Case>([
    ['DATA before the response', [opening, raw.data(1, Buffer.from('x'))], protocolError],
    ['a response without a status', [opening, raw.headers(1, [['x', 'y']])], protocolError],
    ['an informational response that ends it', [opening, raw.headers(1, [[':status', '103']], true)], protocolError],
    ['a second response', [opening, response, response], protocolError],
    ['trailers with a status', [opening, response, raw.headers(1, [[':status', '200']], true)], protocolError],
    [
      'too large a response',
      [
        opening,
        raw.headers(1, [
          [':status', '200'],
          ...Array.from({ length: 200 }, (_, index) => [`x-${index}`, 'y'] as const),
        ]),
      ],
      enhanceYourCalm,
    ],
    ['a reset of the server’s', [opening, raw.reset(1, refusedStream)], refusedStream],
  ])('resets the stream for %s', async (_what, frames, code) => {
    expect(await answered(frames as Buffer[])).toMatchObject({ code, isLost: false });
  });

  it('passes over informational responses', async () => {
    const info = raw.headers(1, [
      [':status', '103'],
      ['link', 'x'],
    ]);
    const { server: plain, port } = await rawServer((peer) => {
      void peer
        .heard(({ type }) => type === frameType.headers)
        .then(() =>
          peer.send(opening, info, info, response, raw.data(1, Buffer.from('x')), raw.headers(1, [['a', 'b']], true)),
        );
    });
    const client = await openClient(port);
    const { stream, received } = request(client);
    stream.end();
    expect(await received.closed).toEqual({ code: errorCode.noError, isLost: false });
    expect(received.headers).toEqual({ ':status': '200' });
    expect(received.trailers).toEqual({ a: 'b' });
    client.http2.destroy();
    plain.close();
  });
});
