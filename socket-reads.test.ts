import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readInPlaceBytesMin, socketReadBytes, socketReadShortBytes } from './limits.ts';
import { placeIn, putInPlace, readAgain, type SocketReader, SocketReads } from './socket-reads.ts';

/** Joins what it is given, a part of which it asks for where it says. */
class Collector implements SocketReader {
  readonly chunks: Buffer[] = [];
  places: (Buffer | undefined)[] = [];

  receive(chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  whereNext(): Buffer | undefined {
    return this.places.shift();
  }
}

function readsFor(reader: SocketReader): SocketReads {
  const reads = new SocketReads();
  reads.reader = reader;
  return reads;
}

describe('what a socket reads', () => {
  it('is nothing that a later read changes, of whichever socket', () => {
    const all = [readsFor(new Collector()), readsFor(new Collector())];
    const chunks = Array.from({ length: 200 }, (_, index) => {
      const reads = all[index % all.length]!;
      reads.next().fill(index);
      return reads.take(1_000);
    });
    for (const [index, chunk] of chunks.entries()) expect(chunk.equals(Buffer.alloc(1_000, index))).toBe(true);
  });

  it('goes to its place, and what stands between two places comes by short reads', () => {
    const message = Buffer.alloc(100_000);
    const collector = new Collector();
    const reads = readsFor(collector);
    expect(reads.next().byteLength).toBe(socketReadBytes);
    reads.take(socketReadBytes);

    collector.places = [message.subarray(0, 40_000), message.subarray(10_000, 40_000)];
    expect(reads.next().byteLength).toBe(40_000);
    reads.take(10_000);
    expect(reads.next().byteOffset).toBe(message.byteOffset + 10_000);
    expect(reads.take(30_000).buffer).toBe(message.buffer);

    expect(reads.next().byteLength).toBe(socketReadShortBytes);
    reads.take(35);
    expect(reads.next().byteLength).toBe(socketReadShortBytes);
    reads.take(socketReadShortBytes);
    collector.places = [message];
    expect(reads.next()).toBe(message);
    reads.take(100_000);
    expect(reads.next().byteLength).toBe(socketReadShortBytes);
    reads.take(socketReadShortBytes);
    expect(reads.next().byteLength).toBe(socketReadBytes);
  });

  it('has no place where little is to come', () => {
    const message = Buffer.alloc(2 * readInPlaceBytesMin);
    expect(placeIn(message, 0)).toEqual(message);
    expect(placeIn(message, readInPlaceBytesMin)?.byteOffset).toBe(message.byteOffset + readInPlaceBytesMin);
    expect(placeIn(message, readInPlaceBytesMin + 1)).toBeUndefined();
    expect(placeIn(message, 0, readInPlaceBytesMin)?.byteLength).toBe(readInPlaceBytesMin);
    expect(placeIn(message, 0, readInPlaceBytesMin - 1)).toBeUndefined();
  });

  it('is put into a message once, wherever it was read to', () => {
    const message = Buffer.from('........');
    putInPlace(message, 2, Buffer.from('-ab-'), 1, 3);
    expect(message.toString()).toBe('..ab....');
    const inPlace = message.subarray(4, 6);
    inPlace.write('cd');
    putInPlace(message, 4, inPlace, 0, 2);
    expect(message.toString()).toBe('..abcd..');
  });
});

describe('a socket that was accepted', () => {
  const closing: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A connection: its client's side, its server's, and what the server's reads. */
  async function accepted(
    allowHalfOpen = false,
  ): Promise<{ server: Server; client: Socket; shell: Socket; socket: Socket; reader: Collector }> {
    const reader = new Collector();
    const server = createServer({ allowHalfOpen, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const arrived = new Promise<readonly [Socket, Socket]>((resolve) => {
      server.once('connection', (shell) => resolve([shell, readAgain(shell, readsFor(reader), { allowHalfOpen })]));
    });
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    const [shell, socket] = await arrived;
    closing.push(async () => {
      client.destroy();
      socket.destroy();
      // Resolves only if the server counts none any more.
      await new Promise((resolve) => server.close(resolve));
    });
    return { server, client, shell, socket, reader };
  }

  const received = (reader: Collector): Buffer => Buffer.concat(reader.chunks);

  it('reads to where its reader says, and is written to', async () => {
    const { client, socket, reader } = await accepted();
    const message = Buffer.allocUnsafeSlow(1_000_000);
    let filled = 0;
    reader.receive = (chunk): void => {
      reader.chunks.push(chunk);
      putInPlace(message, filled, chunk, 0, chunk.byteLength);
      filled += chunk.byteLength;
    };
    reader.whereNext = () => placeIn(message, filled);
    const sent = Buffer.alloc(message.byteLength, 'abcdefg');
    client.write(sent);
    await expect.poll(() => filled).toBe(sent.byteLength);
    expect(message.equals(sent)).toBe(true);
    expect(reader.chunks.some(({ buffer }) => buffer === message.buffer)).toBe(true);

    socket.write('thanks');
    expect(String((await once(client, 'data'))[0])).toBe('thanks');
  });

  it('knows its peer', async () => {
    const { client, socket } = await accepted();
    expect([socket.remoteAddress, socket.remotePort]).toEqual(['127.0.0.1', client.localPort]);
  });

  it('reads nothing while it is paused', async () => {
    const { client, socket, reader } = await accepted();
    client.write('one');
    await expect.poll(() => received(reader).toString()).toBe('one');
    socket.pause();
    client.write('two');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(received(reader).toString()).toBe('one');
    socket.resume();
    await expect.poll(() => received(reader).toString()).toBe('onetwo');
  });

  it('that may be half open answers after its client has ended', async () => {
    const { client, socket, reader } = await accepted(true);
    const ended = once(socket, 'end');
    client.end('last');
    await ended;
    expect(received(reader).toString()).toBe('last');
    const answer = once(client, 'data');
    socket.end('answer');
    expect(String((await answer)[0])).toBe('answer');
    await expect.poll(() => socket.destroyed).toBe(true);
  });

  it('is counted by its server until it ends, whatever becomes of what was accepted', async () => {
    const { server, shell, socket } = await accepted();
    const counted = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_error, connections) => resolve(connections)));
    shell.destroy();
    await once(shell, 'close');
    expect(await counted()).toBe(1);
    expect(socket.destroyed).toBe(false);
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
    expect(await counted()).toBe(0);
  });

  it('says when its client is gone without a word', async () => {
    const { client, socket } = await accepted();
    const failed = once(socket, 'error');
    client.resetAndDestroy();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  });
});
