import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { roomyEviction, temporaryFolder, TestStore } from '../../testing/store.ts';
import type { Clock } from '../clock.ts';
import { createFile, type FileOperations, systemFiles } from '../log/files.ts';

/** A disk with room for so many more bytes: writes are cut where it ends, as the system does it. */
class SmallDisk implements FileOperations {
  roomBytes: number;
  isSyncBroken = false;

  constructor(roomBytes: number) {
    this.roomBytes = roomBytes;
  }

  async writev(fd: number, buffers: Buffer[], position: number): Promise<number> {
    if (this.roomBytes === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const whole = Buffer.concat(buffers);
    const part = whole.subarray(0, this.roomBytes);
    this.roomBytes -= part.byteLength;
    return systemFiles.writev(fd, [part], position);
  }

  async fdatasync(fd: number): Promise<void> {
    if (this.isSyncBroken) throw Object.assign(new Error('input/output error'), { code: 'EIO' });
    return systemFiles.fdatasync(fd);
  }
}

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = temporaryFolder('full');
});
afterEach(() => folder.remove());

test('a full disk is an error for the writer; when there is room again the same bytes go on without a gap', async () => {
  const disk = new SmallDisk(10_000);
  const store = await TestStore.open(folder.path, { files: disk });
  await store.storage.durable(store.set('before', 'x'.repeat(4000)), 'disk');
  await expect(store.storage.durable(store.set('during', 'y'.repeat(9000)), 'disk')).rejects.toMatchObject({
    code: 'DISKFULL',
  });
  await expect(store.storage.admit(10)).rejects.toMatchObject({ code: 'DISKFULL' });
  disk.roomBytes = 1_000_000;
  await expect.poll(() => store.storage.log.active?.writer?.fault, { timeout: 20_000 }).toBeUndefined();
  await store.storage.durable(store.set('after', 'z'.repeat(100)), 'disk');
  await store.crash();
  const again = await TestStore.open(folder.path);
  expect(again.storage.report?.damages).toEqual([]);
  expect(await again.text('before')).toBe('x'.repeat(4000));
  expect(await again.text('during')).toBe('y'.repeat(9000));
  expect(await again.text('after')).toBe('z'.repeat(100));
  await again.close();
});

test('a process that dies on a full disk leaves a log that opens, with everything that was acknowledged', async () => {
  const disk = new SmallDisk(5_000);
  const store = await TestStore.open(folder.path, { files: disk });
  await store.storage.durable(store.set('before', 'x'.repeat(4000)), 'disk');
  await expect(store.storage.durable(store.set('torn', 'y'.repeat(9000)), 'disk')).rejects.toMatchObject({
    code: 'DISKFULL',
  });
  await store.crash();
  const again = await TestStore.open(folder.path);
  expect(again.storage.report?.damages).toHaveLength(1);
  expect(await again.text('before')).toBe('x'.repeat(4000));
  expect(await again.text('torn')).toBeUndefined();
  await again.close();
});

test('a log that cannot go on is a fault until a new process recovers, and a full disk is none', async () => {
  const disk = new SmallDisk(5_000);
  const store = await TestStore.open(folder.path, { files: disk });
  const { storage } = store;
  await expect(storage.durable(store.set('torn', 'y'.repeat(9000)), 'disk')).rejects.toMatchObject({
    code: 'DISKFULL',
  });
  expect(storage.fault).toBeUndefined();
  disk.roomBytes = 1_000_000;
  await storage.durable(store.set('before', '1'), 'disk');
  // Where the hint of the segment that is sealed next should go stands something else.
  const inTheWay = storage.log.hintPathOf(storage.log.active!.id);
  mkdirSync(join(inTheWay, 'folder'), { recursive: true });
  storage.log.rollInBackground();
  await expect.poll(() => storage.fault?.message, { timeout: 20_000 }).toContain('the log cannot go on');
  await expect(storage.admit(10)).rejects.toBe(storage.fault);
  await store.crash();
  rmSync(inTheWay, { recursive: true });
  const again = await TestStore.open(folder.path);
  expect(again.storage.fault).toBeUndefined();
  expect(await again.text('before')).toBe('1');
  await again.close();
});

test('a failing fsync is told to those who asked for the disk, and is tried again', async () => {
  const disk = new SmallDisk(1_000_000);
  const store = await TestStore.open(folder.path, { files: disk });
  disk.isSyncBroken = true;
  await expect(store.storage.durable(store.set('a', '1'), 'disk')).rejects.toMatchObject({ code: 'DISKFULL' });
  disk.isSyncBroken = false;
  await expect.poll(() => store.storage.log.active?.writer?.fault, { timeout: 20_000 }).toBeUndefined();
  await store.storage.durable(store.set('a', '2'), 'disk');
  await store.close();
});

test('above the configured size, and with eviction off, a write fails with what to do and reads go on', async () => {
  const eviction = { ...roomyEviction, enabled: false, diskBytes: 300_000 };
  const store = await TestStore.open(folder.path, { eviction, segmentBytes: 100_000, fullWaitMs: 0 });
  let written = 0;
  const fill = async (): Promise<void> => {
    for (; written < 100; written++) {
      await store.storage.admit(10_000);
      store.set(`key-${written}`, 'v'.repeat(10_000));
    }
  };
  await expect(fill()).rejects.toThrow(/disk size of 300000 bytes is full; raise disk.size/);
  expect(written).toBeGreaterThan(20);
  expect(await store.text('key-0')).toBe('v'.repeat(10_000));
  await store.close();
});

test('a segment that cannot be begun when the old one is due costs neither the process nor the log', async () => {
  let nowMs = Date.now();
  const timers: (() => void)[] = [];
  const clock: Clock = {
    now: () => nowMs,
    after: (_delayMs, callback) => {
      timers.push(callback);
      return () => undefined;
    },
  };
  const store = await TestStore.open(folder.path, { clock });
  store.set('key', 'value');
  // Its name is taken: as good as a disk without room for it.
  const taken = store.storage.log.pathOf(store.storage.log.active!.id + 1);
  writeFileSync(taken, '');
  nowMs += 3_600_000;
  for (const tick of timers.splice(0)) tick();
  expect(await store.text('key')).toBe('value');
  expect(timers.length).toBeGreaterThan(0);
  nowMs += 1_000;
  for (const tick of timers.splice(0)) tick();
  await expect.poll(() => store.storage.log.segments.size, { timeout: 20_000 }).toBe(2);
  rmSync(taken);
  await store.close();
});

test('a file that could not be begun is not left behind', () => {
  const path = join(folder.path, 'begun');
  // Not what can be written: the write fails behind the creation, as on a disk that has room for the name alone.
  const content = { byteLength: 8 } as Buffer;
  expect(() => createFile(path, content)).toThrow(/cannot be made/);
  expect(existsSync(path)).toBe(false);
});
