import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { storedTypes } from '../../commands/stored-type.ts';
import { KvcacheError } from '../../errors.ts';
import { temporaryFolder } from '../../testing/store.ts';
import { spaceOfKeys } from '../journal.ts';
import { leaseOf, ValueMemory } from '../value-memory.ts';
import { type FileOperations, systemFiles } from './files.ts';
import { recordKinds } from './record.ts';
import { SegmentWriter } from './segment-writer.ts';

const fenced = new KvcacheError('FENCED', 'another process has taken over');
const stamp = { flags: 0, epoch: 1, writtenAtMs: 0 };

async function openWriter(
  operations: Partial<FileOperations> = {},
): Promise<{ writer: SegmentWriter; append: (value?: Buffer) => void }> {
  const folder = temporaryFolder('segment-writer');
  const file = await open(join(folder.path, 'segment'), 'w');
  onTestFinished(async () => {
    await file.close();
    folder.remove();
  });
  const writer = new SegmentWriter(file.fd, 0, 7, { ...systemFiles, ...operations }, false);
  const record = {
    kind: recordKinds.value,
    space: spaceOfKeys,
    type: storedTypes.bytes,
    slot: 1,
    expireAtMs: 0,
  } as const;
  let sequence = 0;
  const append = (value: Buffer = Buffer.alloc(100)): void => {
    const fields = { ...record, sequence: ++sequence, key: Buffer.from('key'), meta: undefined };
    writer.append({ ...fields, value }, stamp);
  };
  return { writer, append };
}

test('who waits for a writer that is given up hears of it, whenever that happens and whenever they ask', async () => {
  // Turns of the loop between the question and the end: before the batch begins, while it is written, after it.
  for (const turns of [0, 1, 2, 5, 20]) {
    const { writer, append } = await openWriter();
    append();
    const before = writer.synced(writer.bytes).catch((error: unknown) => error);
    for (let count = 0; count < turns; count++) await turn();
    writer.abandon(fenced);
    expect([undefined, fenced]).toContain(await before);
    append();
    for (let count = 0; count < 3; count++) {
      const { bytes } = writer;
      await expect(writer.synced(bytes)).rejects.toBe(fenced);
      await expect(writer.written(bytes)).rejects.toBe(fenced);
      await expect(writer.admit(100)).rejects.toBe(fenced);
      await turn();
    }
  }
});

test('writing goes on while the disk is synced, and a sync vouches for what was written when it began', async () => {
  const syncs: (() => void)[] = [];
  const fdatasync = (): Promise<void> => new Promise((resolve) => syncs.push(resolve));
  const { writer, append } = await openWriter({ fdatasync });
  append();
  const first = writer.bytes;
  const firstSynced = writer.synced(first);
  await expect.poll(() => syncs.length).toBe(1);

  append();
  const second = writer.bytes;
  await writer.written(second);
  expect(writer.syncedBytes).toBe(0);
  let isSecondSynced = false;
  const secondSynced = writer.synced(second).then(() => (isSecondSynced = true));

  syncs[0]!();
  await firstSynced;
  expect(writer.syncedBytes).toBe(first);
  await expect.poll(() => syncs.length).toBe(2);
  expect(isSecondSynced).toBe(false);
  syncs[1]!();
  await secondSynced;
  expect(writer.syncedBytes).toBe(second);
});

test('what is written already is synced once that is asked for', async () => {
  const { writer, append } = await openWriter();
  append();
  await writer.written(writer.bytes);
  await writer.synced(writer.bytes);
  expect(writer.syncedBytes).toBe(writer.bytes);
});

test('a disk that is full stays a fault while syncs succeed, and what was written before is synced', async () => {
  let isFull = false;
  const writev: FileOperations['writev'] = (fd, buffers, position) =>
    isFull
      ? Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' }))
      : systemFiles.writev(fd, buffers, position);
  const { writer, append } = await openWriter({ writev });
  append();
  const whole = writer.bytes;
  await writer.written(whole);
  isFull = true;
  append();
  await expect(writer.written(writer.bytes)).rejects.toMatchObject({ code: 'DISKFULL' });
  await writer.synced(whole);
  expect(writer.fault).toMatchObject({ code: 'DISKFULL' });
  await expect(writer.admit(1)).rejects.toMatchObject({ code: 'DISKFULL' });
  isFull = false;
  await expect.poll(() => writer.fault).toBeUndefined();
  await writer.synced(writer.bytes);
});

test('who waits for a sync that fails hears of it, and it is tried again without being asked', async () => {
  let failures = 2;
  const fdatasync: FileOperations['fdatasync'] = (fd) =>
    failures-- > 0 ? Promise.reject(new Error('input/output error')) : systemFiles.fdatasync(fd);
  const { writer, append } = await openWriter({ fdatasync });
  append();
  await expect(writer.synced(writer.bytes)).rejects.toMatchObject({ code: 'DISKFULL' });
  expect(writer.fault).toBeDefined();
  await expect.poll(() => writer.fault, { timeout: 5_000 }).toBeUndefined();
  expect(writer.syncedBytes).toBe(writer.bytes);
});

/** Memory of a value that the hot tier had and has dropped: nobody but the log may still need it. */
function droppedValue(memory: ValueMemory): Buffer {
  const value = memory.take(100_000);
  leaseOf(value)!.own();
  return value.fill(7);
}

test('memory that is taken again is not before its last byte is in the file, however often the write fails', async () => {
  let failures = 2;
  let partBytes = 1_000;
  const seen: Buffer[] = [];
  const files: Partial<FileOperations> = {
    writev: async (fd, buffers, position) => {
      if (failures-- > 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      await turn();
      const part = Buffer.concat(buffers).subarray(0, partBytes);
      partBytes = Infinity;
      seen.push(part);
      return systemFiles.writev(fd, [part], position);
    },
  };
  const { writer, append } = await openWriter(files);
  const memory = new ValueMemory({ freeBytesMax: 1_000_000, fillByte: 0xdb });
  const value = droppedValue(memory);
  append(value);
  leaseOf(value)!.release(value);
  await expect(writer.written(writer.bytes)).rejects.toMatchObject({ code: 'DISKFULL' });
  expect(value.byteLength).toBe(100_000);
  await expect.poll(() => writer.pendingBytes).toBe(0);
  await expect.poll(() => value.byteLength).toBe(0);
  expect(memory.freeBytes).toBeGreaterThan(0);
  expect(Buffer.concat(seen).subarray(-100_000)).toEqual(Buffer.alloc(100_000, 7));
});

test('memory whose write was given up is left to the collector', async () => {
  let finish: (() => void) | undefined;
  const files: Partial<FileOperations> = {
    writev: (_fd, [first]) => new Promise((resolve) => (finish = () => resolve(first!.byteLength))),
  };
  const { writer, append } = await openWriter(files);
  const memory = new ValueMemory({ freeBytesMax: 1_000_000 });
  const values = [droppedValue(memory), droppedValue(memory)];
  append(values[0]);
  await expect.poll(() => finish).toBeDefined();
  append(values[1]);
  for (const value of values) leaseOf(value)!.release(value);
  writer.abandon(fenced);
  finish!();
  for (let count = 0; count < 5; count++) await turn();
  expect(values.map((value) => value.byteLength)).toEqual([100_000, 100_000]);
});
