/** The few file operations of the log, as promises, and replaceable in tests that need a full or failing disk. */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError, messageOf } from '../../errors.ts';
import { logRetryDelayMs } from '../../limits.ts';

export interface FileOperations {
  /** Writes as much as the system takes and tells how many bytes that were. */
  writev(fd: number, buffers: Buffer[], position: number): Promise<number>;
  fdatasync(fd: number): Promise<void>;
}

export const systemFiles: FileOperations = {
  writev: (fd, buffers, position) =>
    new Promise((resolve, reject) => {
      fs.writev(fd, buffers, position, (error, written) => (error ? reject(error) : resolve(written)));
    }),
  fdatasync: (fd) =>
    new Promise((resolve, reject) => {
      fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
    }),
};

/** True for the faults that mean "no room": a full disk, a quota, a file-size limit. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/** Creates a file that must not exist yet and gives its descriptor. What could not be begun is not left behind. */
export function createFile(path: string, content: Buffer): number {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, 'wx+');
    const written = fs.writeSync(fd, content, 0, content.byteLength, 0);
    if (written < content.byteLength) throw new Error(`no room for its first ${content.byteLength} bytes`);
    return fd;
  } catch (error) {
    if (fd !== undefined) {
      fs.closeSync(fd);
      fs.rmSync(path, { force: true });
    }
    throw new KvcacheError('DISKFULL', `a new segment cannot be made: ${messageOf(error)}`, { cause: error });
  }
}

/** Repeats until the disk has room: sealing outlives a full disk. Other faults end it. */
export async function untilRoom(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      const isFull = error instanceof KvcacheError ? error.code === 'DISKFULL' : isNoSpace(error);
      if (!isFull) throw error;
      await delay(logRetryDelayMs, undefined, { ref: false });
    }
  }
}
