/**
 * A segment's file, open for reading. Reads in flight keep it open: it is closed, and its name removed, only when the
 * last of them has ended, so that a descriptor number is never reused under a reader.
 */
import fs from 'node:fs';
import { unlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { KvcacheError } from '../../errors.ts';

const closeDescriptor = promisify(fs.close);

export class SegmentFile {
  readonly path: string;
  readonly fd: number;
  #readers = 0;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  static open(path: string): SegmentFile {
    return new SegmentFile(path, fs.openSync(path, 'r+'));
  }

  /** Exactly `length` bytes at `offset`, in memory of their own. Rejects with CORRUPT where the file ends before. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (this.#closed) throw new KvcacheError('UNAVAILABLE', `segment file ${this.path} is closed`);
    const target = Buffer.allocUnsafeSlow(length);
    this.#readers++;
    try {
      let done = 0;
      while (done < length) {
        const count = await readSome(this.fd, target, done, offset + done);
        if (count === 0) {
          throw new KvcacheError('CORRUPT', `${this.path} ends at ${offset + done}, wanted ${offset + length}`);
        }
        done += count;
      }
      return target;
    } finally {
      this.#readers--;
      if (this.#readers === 0) this.#whenIdle?.();
    }
  }

  /**
   * Closes the descriptor once no read uses it. Not on the loop's thread: the last close of a file without a name gives
   * all of its pages back, which takes the system some ten milliseconds for a segment.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#readers > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    await closeDescriptor(this.fd);
  }

  /** Removes the file. Reads in flight still get their bytes. */
  async remove(): Promise<void> {
    await unlink(this.path);
    await this.close();
  }
}

function readSome(fd: number, target: Buffer, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, at, target.byteLength - at, position, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });
}
