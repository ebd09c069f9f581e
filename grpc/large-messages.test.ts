/** Large messages between a client and a server of ours, whose sockets read into the messages' own memory. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { grpcConnectionWindowBytes } from '../limits.ts';
import { GrpcChannel } from './client.ts';
import type { GrpcDuplex } from './duplex.ts';
import type { ServerMethod } from './method.ts';
import { GrpcServer } from './server.ts';

const KiB = 1024;
const codec = {
  path: '/test.Sizes/Exchange',
  requestSerialize: (message: Buffer): Buffer => message,
  requestDeserialize: (bytes: Buffer): Buffer => Buffer.from(bytes),
  responseSerialize: (message: Buffer): Buffer => message,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
};

/** Bytes that are nowhere the same, of a length and a beginning that a number tells. */
function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((seed * 2_654_435_761 + at) >>> 0, at);
  return bytes.fill(seed, length - (length % 4));
}

function digest(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

async function using(test: (channel: GrpcChannel) => Promise<void>): Promise<void> {
  const server = new GrpcServer();
  server.addBidi(codec, (stream) => {
    stream.onMessage = (order) => stream.write(bytesOf(order.readUInt32LE(0), order.readUInt32LE(4)));
    stream.onRemoteEnd = () => stream.end();
  });
  const port = await server.listen('127.0.0.1', 0);
  const channel = new GrpcChannel(`127.0.0.1:${port}`);
  try {
    await test(channel);
  } finally {
    channel.close();
    await server.close(0);
  }
}

function ask(stream: GrpcDuplex<Buffer, Buffer>, seed: number, length: number): void {
  const order = Buffer.alloc(8);
  order.writeUInt32LE(seed, 0);
  order.writeUInt32LE(length, 4);
  stream.write(order);
}

it('brings messages of all sizes whole, of streams that are read, paused and cancelled side by side', async () => {
  await using(async (channel) => {
    const lengths = [3, 900 * KiB, 1, 70 * KiB, 0, 300 * KiB, 5_000, 256 * KiB, 1_500 * KiB, 17 * KiB];
    const streams = Array.from({ length: 4 }, async (_, index) => {
      const stream = channel.bidi(codec);
      const found: string[] = [];
      const expected: string[] = [];
      const complete = new Promise<void>((resolve) => {
        stream.onMessage = (bytes) => {
          // At once and not at the end: memory that was read over would show only later.
          found.push(digest(bytes));
          if (index % 2 === 0 && found.length % 3 === 0) {
            stream.pause();
            setImmediate(() => stream.resume());
          }
          if (found.length === 2 * lengths.length) resolve();
        };
      });
      for (let round = 0; round < 2; round++) {
        for (const length of lengths) {
          const seed = index * 1_000 + expected.length;
          ask(stream, seed, length);
          expected.push(digest(bytesOf(seed, length)));
        }
        const doomed = channel.bidi(codec);
        doomed.onMessage = () => doomed.cancel();
        ask(doomed, 1, 600 * KiB);
        ask(doomed, 2, 600 * KiB);
        await new Promise(setImmediate);
      }
      await complete;
      expect(found).toEqual(expected);
      stream.end();
      await stream.closed;
    });
    await Promise.all(streams);
  });
});

it('never reads over a message that is kept', async () => {
  await using(async (channel) => {
    const stream = channel.bidi(codec);
    const kept: Buffer[] = [];
    const complete = new Promise<void>((resolve) => {
      stream.onMessage = (bytes) => {
        kept.push(bytes);
        if (kept.length === 60) resolve();
      };
    });
    const lengthOf = (seed: number): number => (seed % 3 === 0 ? 200 * KiB + seed : 100 + seed);
    for (let seed = 0; seed < 60; seed++) ask(stream, seed, lengthOf(seed));
    await complete;
    for (const [seed, bytes] of kept.entries()) expect(bytes.equals(bytesOf(seed, lengthOf(seed)))).toBe(true);
    stream.end();
    await stream.closed;
  });
});

it('goes on when a server gives the memory of a message away the moment it has read it', async () => {
  const server = new GrpcServer();
  let givenAway = 0;
  const method: ServerMethod<string, Buffer> = {
    path: codec.path,
    memory: {
      take: (bytes) => Buffer.allocUnsafeSlow(bytes),
      giveBack: ({ buffer }) => void (buffer as ArrayBuffer).transfer(0),
      leave: () => undefined,
    },
    requestDeserialize: (bytes) => {
      const found = digest(bytes);
      if (bytes.byteLength === bytes.buffer.byteLength) {
        method.memory!.giveBack(bytes);
        givenAway += 1;
      }
      return found;
    },
    responseSerialize: (message) => message,
  };
  server.addBidi(method, (stream) => {
    stream.onMessage = (found) => stream.write(Buffer.from(found));
    stream.onRemoteEnd = () => stream.end();
  });
  const channel = new GrpcChannel(`127.0.0.1:${await server.listen('127.0.0.1', 0)}`);
  try {
    const stream = channel.bidi(codec);
    const answers: string[] = [];
    const lengths = [256 * KiB, 300 * KiB - 1, 100, 700 * KiB, 64 * KiB];
    // More than both sides may have under way: bytes that are not counted would be missing in the end.
    const rounds = Math.ceil((2 * grpcConnectionWindowBytes) / lengths.reduce((sum, length) => sum + length));
    const count = rounds * lengths.length;
    const complete = new Promise<void>((resolve) => {
      stream.onMessage = (answer) => {
        answers.push(answer.toString());
        if (answers.length === count) resolve();
      };
    });
    const messages = Array.from({ length: count }, (_, index) => bytesOf(index, lengths[index % lengths.length]!));
    for (const message of messages) stream.write(message);
    await complete;
    expect(answers).toEqual(messages.map(digest));
    expect(givenAway).toBe(rounds * (lengths.length - 1));
    stream.end();
    await stream.closed;
  } finally {
    channel.close();
    await server.close(0);
  }
});
