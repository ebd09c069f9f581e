/**
 * The shard's end of uploads: arguments that arrive in pieces, each in memory of its own, until a command takes them.
 *
 * The memory is asked for whole at the first piece. It costs nothing before bytes fill it, for the system gives pages as
 * they are touched, and nothing is moved afterwards: the hot tier keeps a value in the memory it was put together in.
 * The router keeps its own copy until the command is answered, so a staging area that is lost with its link loses
 * nothing.
 */
import { linkStagedBytesMax, linkUploadBytesMin, valueBytesMax } from '../limits.ts';
import { collectedMemory, type ReceiveMemory } from '../receive-memory.ts';
import { malformed } from './parts.ts';
import type { UploadPiece } from './upload-piece.ts';

interface StagedArgument {
  readonly bytes: Buffer;
  filled: number;
}

export class Staging {
  readonly #arguments = new Map<number, StagedArgument>();
  readonly #memory: ReceiveMemory;
  #claimed = 0;
  #filled = 0;

  /** `memory` is for whole arguments. */
  constructor(memory: ReceiveMemory = collectedMemory) {
    this.#memory = memory;
  }

  /** Bytes that have arrived and were not taken yet. */
  get bytes(): number {
    return this.#filled;
  }

  /** Copies what a piece brings. Throws KvcacheError ERR for one that fits nothing. */
  accept({ upload, length, bytes }: UploadPiece): void {
    if (length === 0) {
      this.#remove(upload);
      return;
    }
    const staged = this.#arguments.get(upload) ?? this.#begin(upload, length);
    if (staged.bytes.byteLength !== length) throw malformed(`upload ${upload} changed its length to ${length}`);
    if (bytes.byteLength > length - staged.filled) throw malformed(`upload ${upload} is longer than it said`);
    staged.bytes.set(bytes, staged.filled);
    staged.filled += bytes.byteLength;
    this.#filled += bytes.byteLength;
  }

  /** The whole argument, which is the taker's from now on. Throws KvcacheError ERR if it is not there. */
  take(upload: number): Buffer {
    const staged = this.#arguments.get(upload);
    if (staged === undefined || staged.filled < staged.bytes.byteLength) {
      throw malformed(`a command refers to upload ${upload}, of which ${staged?.filled ?? 0} bytes have come`);
    }
    this.#remove(upload);
    return staged.bytes;
  }

  clear(): void {
    this.#arguments.clear();
    this.#claimed = 0;
    this.#filled = 0;
  }

  #begin(upload: number, length: number): StagedArgument {
    if (length < linkUploadBytesMin || length > valueBytesMax) throw malformed(`an upload of ${length} bytes`);
    if (this.#arguments.size > 0 && this.#claimed + length > linkStagedBytesMax) {
      throw malformed(`uploads of ${this.#claimed + length} bytes at once`);
    }
    const staged = { bytes: this.#memory.take(length), filled: 0 };
    this.#arguments.set(upload, staged);
    this.#claimed += length;
    return staged;
  }

  #remove(upload: number): void {
    const staged = this.#arguments.get(upload);
    if (staged === undefined) return;
    this.#arguments.delete(upload);
    this.#claimed -= staged.bytes.byteLength;
    this.#filled -= staged.filled;
  }
}
