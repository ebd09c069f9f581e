/**
 * Bytes of any kind and in any pieces: a conversation cut anywhere, frames at random, garbage. Nothing may be thrown out of
 * the connection, and nothing may be left behind: no stream open, no byte held.
 */
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientPreface, errorCode, frameFlag, frameType } from './protocol.ts';
import {
  type Connection,
  connectionOver,
  CountingAccount,
  postFields,
  Received,
  relayAll,
} from './testing/endpoints.ts';
import { raw, rawFields, rawFrame, rawOpening, requestFields } from './testing/raw-peer.ts';

/** A socket whose other side is the test: thousands of connections in a second, without a kernel that joins writes. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {
    // The test pushes.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }
}

interface Ran {
  readonly connection: Connection;
  readonly received: readonly Received[];
  readonly account: CountingAccount;
  readonly wire: Wire;
}

/** A server that answers what it hears while it hears it, over a wire. */
function serve(): Ran {
  const wire = new Wire();
  const account = new CountingAccount();
  const received: Received[] = [];
  const connection = connectionOver(
    wire,
    { role: 'server', streamsMax: 20, streamWindowBytes: 1_000, connectionWindowBytes: 100_000, account },
    (stream, fields) => {
      const notes = new Received();
      notes.headers = fields;
      stream.listener = notes;
      received.push(notes);
      relayAll(stream, notes);
    },
  );
  return { connection, received, account, wire };
}

/** A client with three calls under way. */
function call(): Ran {
  const wire = new Wire();
  const account = new CountingAccount();
  const connection = connectionOver(wire, { role: 'client', account });
  const received = [1, 2, 3].map((bytes) => {
    const stream = connection.http2.request(postFields);
    const notes = new Received();
    stream.listener = notes;
    stream.write([Buffer.alloc(bytes * 100_000)], bytes === 2);
    return notes;
  });
  return { connection, received, account, wire };
}

/** Ends it, and looks for what is left. */
async function expectNothingLeft({ connection, received, account, wire }: Ran): Promise<void> {
  wire.destroy();
  await connection.closed;
  await nextTurn();
  expect(received.every(({ isClosed }) => isClosed)).toBe(true);
  expect(account.bytes).toBe(0);
}

async function hear(ran: Ran, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    if (ran.wire.destroyed) break;
    ran.wire.push(piece);
    await nextTurn();
  }
  await expectNothingLeft(ran);
}

const block = rawFields(requestFields);

/** Everything that there is, once. */
const conversation: Buffer = Buffer.concat([
  rawOpening,
  raw.settings([4, 50], [1, 0], [3, 9]),
  rawFrame(
    frameType.headers,
    frameFlag.padded | frameFlag.priority,
    1,
    Buffer.concat([Buffer.from([2]), Buffer.alloc(5), block.subarray(0, 5), Buffer.alloc(2)]),
  ),
  rawFrame(frameType.continuation, 0, 1, block.subarray(5, 20)),
  rawFrame(frameType.continuation, frameFlag.endHeaders, 1, block.subarray(20)),
  raw.data(1, Buffer.from('one')),
  raw.request(3),
  rawFrame(
    frameType.data,
    frameFlag.padded,
    1,
    Buffer.concat([Buffer.from([3]), Buffer.from('and more'), Buffer.alloc(3)]),
  ),
  raw.window(1, 100),
  raw.window(0, 100),
  raw.ping(),
  rawFrame(0x42, 7, 3, Buffer.from('unknown')),
  rawFrame(frameType.priority, 0, 3, Buffer.alloc(5)),
  raw.data(3, Buffer.from('x'.repeat(60))),
  raw.request(5, true),
  raw.reset(3),
  raw.headers(1, [['checksum', '7']], true),
  raw.settingsAnswer(),
  raw.goAway(0),
]);

describe('a connection', () => {
  it('takes a whole conversation byte by byte as it takes it at once', async () => {
    const outcomes: unknown[] = [];
    for (const pieceBytes of [conversation.byteLength, 1, 2, 3, 7, 9, 10]) {
      const ran = serve();
      for (let at = 0; at < conversation.byteLength; at += pieceBytes) {
        // As a socket does it: each piece is memory of its own that nobody writes to again.
        ran.wire.push(Buffer.from(conversation.subarray(at, at + pieceBytes)));
        await nextTurn();
      }
      outcomes.push(
        ran.received.map(({ headers, body, hasEnded, isClosed }) => ({
          headers,
          body: body.toString(),
          hasEnded,
          isClosed,
        })),
      );
      await expectNothingLeft(ran);
    }
    const [atOnce, ...others] = outcomes as [{ body: string; hasEnded: boolean }[], ...unknown[]];
    expect(atOnce.map(({ body, hasEnded }) => [body, hasEnded])).toEqual([
      ['oneand more', true],
      ['x'.repeat(60), false],
      ['', true],
    ]);
    for (const other of others) expect(other).toEqual(atOnce);
  });

  it('leaves nothing behind wherever a conversation breaks off', async () => {
    for (let bytes = 0; bytes <= conversation.byteLength; bytes++)
      await hear(serve(), [conversation.subarray(0, bytes)]);
  });

  const stream = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(1, 3, 5), fc.nat(2 ** 31 - 1));
  const flags = fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 12, 13, 32), fc.nat(255));
  const wild = fc
    .record({ type: fc.nat(11), flags, stream, payload: fc.uint8Array({ maxLength: 40 }) })
    .map((item) => rawFrame(item.type, item.flags, item.stream, item.payload));
  const odd = fc.constantFrom(1, 3, 5, 7, 9);
  const sensible = fc.oneof(
    fc.tuple(odd, fc.boolean()).map(([id, isEnd]) => raw.request(id, isEnd)),
    fc
      .tuple(odd, fc.uint8Array({ maxLength: 300 }), fc.boolean())
      .map(([id, bytes, isEnd]) => raw.data(id, bytes, isEnd)),
    fc.tuple(odd, fc.nat(15)).map(([id, code]) => raw.reset(id, code)),
    fc
      .tuple(fc.constantFrom(0, 1, 3, 5), fc.integer({ min: 1, max: 2 ** 31 - 1 }))
      .map(([id, bytes]) => raw.window(id, bytes)),
    fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(100_000)).map(([id, value]) => raw.settings([id, value])),
    fc.tuple(odd, fc.boolean()).map(([id, isEnd]) => raw.headers(id, [['checksum', '7']], isEnd)),
    fc.tuple(odd, fc.boolean()).map(([id, isEnd]) => raw.headers(id, [[':status', '200']], isEnd)),
    fc.constant(raw.ping()),
    fc.nat(9).map((last) => raw.goAway(last)),
  );
  const frames = fc.array(fc.oneof({ weight: 6, arbitrary: sensible }, { weight: 1, arbitrary: wild }), {
    maxLength: 30,
  });

  it('leaves nothing behind after any frames', async () => {
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: 1, max: 200 }), fc.boolean(), async (items, pieceBytes, isServer) => {
        const bytes = Buffer.concat([...(isServer ? [clientPreface] : []), raw.settings(), ...items]);
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.byteLength; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
        await hear(isServer ? serve() : call(), pieces.slice(0, 200));
      }),
      { numRuns: 400 },
    );
  });

  it('leaves nothing behind after any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.boolean(),
        fc.boolean(),
        async (bytes, isServer, isOpened) => {
          const opening = isServer ? rawOpening : raw.settings();
          await hear(isServer ? serve() : call(), [...(isOpened ? [opening] : []), bytes]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('tells a peer that sends garbage why, and nothing after that', async () => {
    const ran = serve();
    ran.wire.push(Buffer.concat([rawOpening, raw.request(1), raw.window(0, 0), raw.request(3), raw.ping()]));
    await nextTurn();
    await nextTurn();
    const written = Buffer.concat(ran.wire.written);
    const goAway = rawFrame(
      frameType.goAway,
      0,
      0,
      Buffer.concat([
        Buffer.from([0, 0, 0, 1, 0, 0, 0, errorCode.protocolError]),
        Buffer.from('WINDOW_UPDATE by nothing'),
      ]),
    );
    expect(written.subarray(-goAway.byteLength)).toEqual(goAway);
    expect(ran.received).toHaveLength(1);
    await expectNothingLeft(ran);
  });
});
