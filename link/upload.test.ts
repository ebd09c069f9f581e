import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Command, libraryContext, type Upload } from '../commands/command.ts';
import { ReplyError } from '../commands/reply.ts';
import { linkUploadBytesMin, linkUploadPieceBytes, linkUploadsBytesMax } from '../limits.ts';
import { Cluster, ServedShard } from '../router/testing/cluster.ts';
import { LinkClient } from '../router/testing/link-client.ts';
import { TestExecutor } from '../router/testing/test-executor.ts';
import { ownsMemory } from '../shard/hot/owned.ts';
import { CommandBatch, decodeCommands } from './batch.ts';
import { Staging } from './staging.ts';
import { decodePiece, encodePiece } from './upload-piece.ts';

const MiB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve() {
  const executor = new TestExecutor('shard-0');
  const shard = await ServedShard.start('shard-0', executor);
  cleanups.push(() => shard.crash());
  const client = new LinkClient(shard.port);
  cleanups.push(() => client.link.close());
  await client.state('ready');
  return { executor, shard, client };
}

function patterned(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761 + seed) >>> 0, at);
  return bytes;
}

/** Pushes bytes in pieces of any size, the event loop turning between them. */
async function pushAll(upload: Upload, bytes: Buffer, step: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += step) {
    upload.push(bytes.subarray(at, at + step));
    await new Promise(setImmediate);
  }
}

const set = (key: string, value: Buffer, upload?: Upload): Command =>
  upload === undefined
    ? { name: 'SET', args: [Buffer.from(key), value] }
    : { name: 'SET', args: [Buffer.from(key), value], upload };

const staged = (shard: ServedShard, bytes: number): Promise<void> =>
  vi.waitFor(() => expect(shard.link.stats().inFlightBytes).toBe(bytes), { timeout: 20_000 });

describe('an upload', () => {
  test('reaches the shard before its command does, and is what the command was given', async () => {
    const { client, shard, executor } = await serve();
    const value = patterned(5 * MiB + 3);
    const upload = client.link.beginUpload(1, value.byteLength)!;
    await pushAll(upload, value.subarray(0, 3 * MiB), 100_000);
    await staged(shard, 3 * MiB);
    let taken: readonly Buffer[] = [];
    executor.intercept = ({ name, args }) => {
      if (name === 'SET') taken = args;
      return undefined;
    };
    await pushAll(upload, value.subarray(3 * MiB), 700_000);
    expect(await client.send(set('key', value, upload), libraryContext(30_000))).toBe('OK');
    upload.end();
    expect(value.equals((await client.run('GET', 'key')) as Buffer)).toBe(true);
    // The hot tier may keep it as it lies.
    expect(ownsMemory(taken[1]!)).toBe(true);
    expect(shard.link.stats().inFlightBytes).toBe(0);
    expect(client.link.stats()).toMatchObject({ uploads: 1, inFlightBytes: 0, errors: 0 });
  });

  test('that stops in the middle holds up neither small commands nor large ones, nor other uploads', async () => {
    const { client } = await serve();
    const stopped = Array.from({ length: 4 }, () => client.link.beginUpload(1, 8 * MiB)!);
    for (const upload of stopped) upload.push(Buffer.alloc(1 * MiB));
    expect(await client.run('SET', 'small', 'value')).toBe('OK');
    expect(await client.run('SET', 'large', Buffer.alloc(2 * MiB))).toBe('OK');
    const value = patterned(2 * MiB);
    const upload = client.link.beginUpload(1, value.byteLength)!;
    await pushAll(upload, value, 300_000);
    expect(await client.send(set('ahead', value, upload), libraryContext(30_000))).toBe('OK');
    expect(value.equals((await client.run('GET', 'ahead')) as Buffer)).toBe(true);
  });

  test('that is given up frees what the shard has of it', async () => {
    const { client, shard } = await serve();
    const upload = client.link.beginUpload(1, 64 * MiB)!;
    await pushAll(upload, Buffer.alloc(4 * MiB), 1 * MiB);
    await staged(shard, 4 * MiB);
    upload.end();
    await staged(shard, 0);
    expect(await client.run('SET', 'after', 'value')).toBe('OK');
    expect(client.link.state).toBe('ready');
  });

  test('whose command ran into its deadline before it was sent is freed too', async () => {
    const { client, shard } = await serve();
    const value = patterned(2 * MiB);
    const upload = client.link.beginUpload(1, value.byteLength)!;
    await pushAll(upload, value, MiB);
    const late = await client.send(set('late', value, upload), libraryContext(-1));
    expect(late).toMatchObject({ code: 'TIMEOUT' });
    upload.end();
    await staged(shard, 0);
  });

  test('is not begun for small arguments, nor beyond the bound, unless it is alone', async () => {
    const { client } = await serve();
    expect(client.link.beginUpload(1, linkUploadBytesMin - 1)).toBeUndefined();
    const alone = client.link.beginUpload(1, linkUploadsBytesMax * 2)!;
    expect(alone).toBeDefined();
    expect(client.link.beginUpload(1, linkUploadBytesMin)).toBeUndefined();
    alone.end();
    await vi.waitFor(() => expect(client.link.beginUpload(1, linkUploadBytesMin)).toBeDefined());
  });

  test('of a link that breaks in between does not matter: the command goes whole by the next one', async () => {
    const { client, shard, executor } = await serve();
    const value = patterned(3 * MiB);
    const upload = client.link.beginUpload(1, value.byteLength)!;
    await pushAll(upload, value.subarray(0, 2 * MiB), MiB);
    await shard.crash();
    await client.state('away');
    expect(client.link.beginUpload(1, value.byteLength)).toBeUndefined();
    const next = await shard.restart(executor);
    cleanups.push(() => next.crash());
    await client.state('ready');
    await pushAll(upload, value.subarray(2 * MiB), MiB);
    expect(await client.send(set('key', value, upload), libraryContext(30_000))).toBe('OK');
    upload.end();
    expect(value.equals((await client.run('GET', 'key')) as Buffer)).toBe(true);
    await staged(next, 0);
  });
});

describe('through a router', () => {
  const start = async () => {
    const cluster = await Cluster.start(3);
    cleanups.push(() => cluster.stop());
    return cluster;
  };

  test('an argument goes ahead to the owner of its key, and nowhere where the command does not say one owner', async () => {
    const { router } = await start();
    expect(router.beginUpload('SET', [], MiB)).toBeUndefined();
    expect(router.beginUpload('MSET', [Buffer.from('a')], MiB)).toBeUndefined();
    expect(router.beginUpload('NOTHING', [Buffer.from('a')], MiB)).toBeUndefined();
    const value = patterned(2 * MiB);
    const upload = router.beginUpload('SET', [Buffer.from('key')], value.byteLength)!;
    await pushAll(upload, value, MiB);
    expect(await router.execute(set('key', value, upload), libraryContext(30_000))).toBe('OK');
    const read = await router.execute({ name: 'GET', args: [Buffer.from('key')] }, libraryContext(30_000));
    expect(value.equals(read as Buffer)).toBe(true);
  });

  test('a shard that no longer owns the slot answers MOVED, and the new owner gets all of the value', async () => {
    const { router, executors } = await start();
    const value = patterned(2 * MiB);
    const upload = router.beginUpload('SET', [Buffer.from('key')], value.byteLength)!;
    await pushAll(upload, value, MiB);
    const sizes: number[][] = [];
    for (const executor of executors) {
      executor.intercept = ({ args }) => {
        sizes.push(args.map(({ byteLength }) => byteLength));
        return sizes.length === 1 ? new ReplyError('MOVED', '0 somewhere') : undefined;
      };
    }
    expect(await router.execute(set('key', value, upload), libraryContext(30_000))).toBe('OK');
    // What the first one took is gone: the second could not have it by reference.
    expect(sizes).toEqual([
      [3, value.byteLength],
      [3, value.byteLength],
    ]);
  });
});

describe('frames', () => {
  const piece = { upload: 7, length: 2 * MiB, bytes: patterned(MiB) };

  test('a piece is read as it was written, however large', () => {
    expect(decodePiece(Buffer.concat(encodePiece(piece)))).toEqual(piece);
    const end = { upload: 7, length: 0, bytes: Buffer.alloc(0) };
    expect(decodePiece(Buffer.concat(encodePiece(end)))).toEqual(end);
  });

  test('a piece that is cut short of its head, or has another, is refused', () => {
    const frame = Buffer.concat(encodePiece({ ...piece, bytes: Buffer.from('bytes') }));
    for (let end = 0; end < 12; end++) expect(() => decodePiece(frame.subarray(0, end))).toThrow(/malformed/);
    for (const at of [0, 1, 2, 3]) {
      const other = Buffer.from(frame);
      other[at] = 9;
      expect(() => decodePiece(other)).toThrow(/malformed/);
    }
  });

  test('a command that refers to what did not come is refused', () => {
    const staging = new Staging();
    expect(() => staging.take(7)).toThrow('upload 7');
    staging.accept(piece);
    expect(() => staging.take(7)).toThrow(`${MiB} bytes have come`);
    const batch = new CommandBatch(0);
    const command = { name: 'SET', args: [Buffer.from('key'), piece.bytes] };
    batch.add(1, command, 1_000, undefined, undefined, { argument: 1, id: 7 });
    const reference = Buffer.concat(batch.finish());
    expect(reference.byteLength).toBeLessThan(100);
    expect(() => decodeCommands(reference)).toThrow('upload 7');
    expect(() => decodeCommands(reference, (id) => staging.take(id))).toThrow('have come');
    staging.accept(piece);
    const [read] = decodeCommands(reference, (id) => staging.take(id));
    expect(read!.args[1]!.byteLength).toBe(piece.length);
  });

  test('pieces that contradict one another are refused, and lengths that no argument has', () => {
    const staging = new Staging();
    staging.accept(piece);
    expect(() => staging.accept({ ...piece, length: 3 * MiB })).toThrow('changed its length');
    staging.accept({ ...piece, bytes: Buffer.alloc(MiB) });
    expect(() => staging.accept({ ...piece, bytes: Buffer.alloc(1) })).toThrow('longer than it said');
    expect(() => staging.accept({ ...piece, upload: 8, length: 1 })).toThrow('an upload of 1 bytes');
    expect(() => staging.accept({ ...piece, upload: 8, length: 0xffff_ffff })).toThrow('an upload of');
    expect(staging.bytes).toBe(2 * MiB);
    expect(staging.take(7).byteLength).toBe(2 * MiB);
    expect(staging.bytes).toBe(0);
  });

  test('claims beyond the bound of the staging area are refused before they take memory', () => {
    const staging = new Staging();
    const begin = (upload: number): void => staging.accept({ upload, length: 128 * MiB, bytes: Buffer.alloc(0) });
    begin(1);
    begin(2);
    expect(() => begin(3)).toThrow('at once');
    staging.accept({ upload: 1, length: 0, bytes: Buffer.alloc(0) });
    begin(3);
  });
});

test('one push is cut into pieces, so that a small command on its lane waits for one of them at most', async () => {
  const { client, shard } = await serve();
  const upload = client.link.beginUpload(1, 16 * MiB)!;
  const batches = client.link.stats().queued;
  upload.push(Buffer.alloc(16 * MiB));
  expect(client.link.stats().queued - batches).toBe((16 * MiB) / linkUploadPieceBytes);
  await staged(shard, 16 * MiB);
});
