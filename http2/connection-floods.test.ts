/** Peers that cost more than they pay: known attacks on HTTP/2, each of which has to end with the connection. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  http2ResetsBurstMax,
  http2UnsentBytesHigh,
  http2UnsentBytesMax,
  http2UselessFramesBurstMax,
  http2UselessFramesPerSecondMax,
} from '../limits.ts';
import { until } from '../testing/until.ts';
import { errorCode, frameFlag, frameType } from './protocol.ts';
import { exchange, MiB, openClient, TestServer } from './testing/endpoints.ts';
import { raw, rawFrame, rawOpening, RawPeer } from './testing/raw-peer.ts';

const { enhanceYourCalm } = errorCode;
const nothing = Buffer.alloc(0);
const framesPerWrite = 500;

let server: TestServer;
let peer: RawPeer;

beforeEach(async () => {
  server = await TestServer.listen(() => undefined, { streamsMax: 2 });
  peer = await RawPeer.connect(server.port);
  peer.send(rawOpening);
});

afterEach(() => server.close());

/** Goes on until the connection is closed, or so often. */
async function flood(timesMax: number, frames: (index: number) => readonly Uint8Array[]): Promise<number> {
  let times = 0;
  while (times < timesMax && !peer.isClosed) {
    const batch: Uint8Array[] = [];
    for (let count = 0; count < framesPerWrite && times < timesMax; count++) batch.push(...frames(times++));
    peer.send(...batch);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return times;
}

async function calmed(timesMax: number, frames: (index: number) => readonly Uint8Array[]): Promise<void> {
  await flood(timesMax, frames);
  expect(await peer.farewell()).toBe(enhanceYourCalm);
  await server.connections[0]!.closed;
  expect(server.streams.every(({ received }) => received.isClosed)).toBe(true);
}

const odd = (index: number): number => 2 * index + 1;

describe('resets', () => {
  const times = 2 * http2ResetsBurstMax + 2_000;

  it('ends with a client that resets its streams as soon as it has begun them', () =>
    calmed(times, (index) => [raw.request(odd(index)), raw.reset(odd(index))]));

  it('ends with a client that resets streams that are gone', async () => {
    peer.send(raw.request(1));
    await calmed(times, () => [raw.reset(1)]);
  });

  it.each<readonly [string, (stream: number) => readonly Uint8Array[]]>([
    ['windows that are too large', (stream) => [raw.request(stream), raw.window(stream, 2 ** 31 - 1)]],
    ['data behind the end', (stream) => [raw.request(stream, true), raw.data(stream, Buffer.from('x'))]],
    ['headers behind the end', (stream) => [raw.request(stream, true), raw.headers(stream, [['x', 'y']], true)]],
    ['trailers that end nothing', (stream) => [raw.request(stream), raw.headers(stream, [['x', 'y']])]],
    ['malformed requests', (stream) => [raw.headers(stream, [[':method', 'GET']])]],
  ])('ends with a client that makes the server reset its streams by %s', (_what, frames) =>
    calmed(times, (index) => frames(odd(index))),
  );

  it('ends with a client that does not heed how many streams it may have', async () => {
    peer.send(raw.request(1), raw.request(3));
    await calmed(times, (index) => [raw.request(odd(index + 2))]);
  });

  it('ends with a client that sends trailers to a stream that is gone', async () => {
    peer.send(raw.request(1), raw.reset(1));
    await calmed(times, () => [raw.headers(1, [['x', 'y']], true)]);
  });
});

describe('frames that ask for nothing', () => {
  // What the time that the frames take lets through comes on top.
  const times = 4 * http2UselessFramesBurstMax + 2 * http2UselessFramesPerSecondMax;

  it.each<readonly [string, Uint8Array]>([
    ['pings', raw.ping()],
    ['answers to pings', rawFrame(frameType.ping, frameFlag.acknowledgement, 0, Buffer.alloc(8))],
    ['settings', raw.settings([4, 1_000])],
    ['answers to settings', raw.settingsAnswer()],
    ['data that is empty', raw.data(1, nothing)],
    ['data that is padding', rawFrame(frameType.data, frameFlag.padded, 1, Buffer.from([2, 0, 0]))],
    ['priorities', rawFrame(frameType.priority, 0, 1, Buffer.alloc(5))],
    ['farewells', raw.goAway(0)],
    ['frames of an unknown type', rawFrame(0x42, 0, 0)],
  ])('ends with a peer that sends only %s', async (_what, frame) => {
    peer.send(raw.request(1));
    await calmed(times, () => [frame]);
  });

  it('lets pass as many calls as come that end with an empty frame', async () => {
    server = await TestServer.listen(({ stream, received }) => {
      received.whenEnded = (): void => stream.sendHeaders({ ':status': '200' }, true);
    });
    peer = await RawPeer.connect(server.port);
    peer.send(rawOpening);
    const calls = http2UselessFramesBurstMax + http2UselessFramesPerSecondMax;
    await flood(calls, (index) => [raw.request(odd(index)), raw.data(odd(index), nothing, true)]);
    await peer.settle();
    expect(peer.isClosed).toBe(false);
    expect(peer.frames.filter(({ type }) => type === frameType.headers)).toHaveLength(calls);
  });
});

describe('a peer that does not read', () => {
  it('is not read either, once so much waits for it, and hears everything when it reads again', async () => {
    let unsentMost = 0;
    const value = 'y'.repeat(1_000);
    server = await TestServer.listen(({ stream, received }) => {
      received.whenEnded = (): void => {
        stream.sendHeaders({ ':status': '200', 'x-large': value }, true);
        unsentMost = Math.max(unsentMost, server.connections[0]!.http2.unsentBytes);
      };
    });
    peer = await RawPeer.connect(server.port);
    peer.socket.pause();
    peer.send(rawOpening);
    const calls = 40_000;
    const all: Uint8Array[] = [];
    for (let index = 0; index < calls; index++) all.push(raw.request(odd(index), true));
    peer.send(...all);
    await until(() => unsentMost >= http2UnsentBytesMax);
    // Others are served meanwhile.
    const other = await openClient(server.port);
    expect((await exchange(other, Buffer.from('x'))).closed.code).toBe(errorCode.noError);
    expect(server.streams.length).toBeLessThan(calls);
    peer.socket.resume();
    await peer.heard(({ stream }) => stream === odd(calls - 1));
    expect(peer.frames.filter(({ type }) => type === frameType.headers)).toHaveLength(calls);
    // And what one chunk of the socket asks for.
    expect(unsentMost).toBeLessThan(http2UnsentBytesMax + 4 * MiB);
  });

  it('holds bodies in their streams, and in the socket only so much', async () => {
    const body = Buffer.alloc(8 * MiB, 'b');
    server = await TestServer.listen(({ stream }) => {
      stream.sendHeaders({ ':status': '200' });
      stream.write([body], true);
    });
    peer = await RawPeer.connect(server.port);
    peer.socket.pause();
    peer.send(rawOpening, raw.settings([4, 2 ** 31 - 1]), raw.window(0, 2 ** 31 - 1 - 65_535));
    for (let index = 0; index < 8; index++) peer.send(raw.request(odd(index), true));
    await until(() => server.streams.length === 8);
    const { http2 } = server.connections[0]!;
    expect(http2.unsentBytes).toBeLessThan(http2UnsentBytesHigh + MiB);
    expect(server.account.bytes).toBeGreaterThan(8 * 8 * MiB - http2UnsentBytesHigh - 8 * MiB);
    peer.socket.destroy();
    await server.connections[0]!.closed;
    expect(server.account.bytes).toBe(0);
  });
});
