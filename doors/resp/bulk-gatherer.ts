/**
 * A bulk string that a chunk's end has cut, gathered with its line end in memory of its own.
 *
 * It gets `respReceiveStepBytes` at first, and eightfold more each time that is really full. A large one may be passed
 * on while it is gathered, so that a router need not have all of it before the shard gets the first byte; what was passed
 * on lies where it was gathered, and is not written again.
 */
import type { Upload } from '../../commands/command.ts';
import type { ReceiveMemory } from '../../receive-memory.ts';
import { linkUploadPieceBytes, respReceiveStepBytes, socketUnbudgetedBytesMax } from '../../limits.ts';
import { placeIn, putInPlace } from '../../socket-reads.ts';

const growthFactor = 8;
const lineEndBytes = 2;
const nothing = Buffer.alloc(0);

export class BulkGatherer {
  /** Whether the last `take` found no room. */
  isHeld = false;
  readonly #admit: (bytes: number) => boolean;
  readonly #memory: ReceiveMemory;
  #bytes: Buffer = nothing;
  #filled = 0;
  /** Where the bytes go on to, and how many of them have gone. */
  #upload: Upload | undefined;
  #uploaded = 0;

  /** `admit` is asked before memory is taken that is worth asking for. */
  constructor(admit: (bytes: number) => boolean, memory: ReceiveMemory) {
    this.#admit = admit;
    this.#memory = memory;
  }

  get isEmpty(): boolean {
    return this.#bytes.byteLength === 0;
  }

  /** What comes of the bulk string from now on goes there too; nothing has come yet. */
  passOnTo(upload: Upload): void {
    this.#upload = upload;
    this.#uploaded = 0;
  }

  /**
   * Takes from a chunk what it has of a bulk string that is `whole` bytes long with its line end, and returns where the
   * rest of the chunk begins. `isHeld` is true where it took less, for want of room.
   */
  take(chunk: Buffer, at: number, whole: number): number {
    let from = at;
    this.isHeld = false;
    while (from < chunk.byteLength && this.#filled < whole) {
      if (this.#filled === this.#bytes.byteLength && !this.#grow(whole)) {
        this.isHeld = true;
        break;
      }
      const end = Math.min(chunk.byteLength, from + this.#bytes.byteLength - this.#filled);
      putInPlace(this.#bytes, this.#filled, chunk, from, end);
      this.#filled += end - from;
      from = end;
      if (this.#upload !== undefined) this.#passOn(this.#upload, whole - lineEndBytes);
    }
    return from;
  }

  /** Where what is to come belongs, if it is worth while to read it to there at once. */
  whereNext(): Buffer | undefined {
    return placeIn(this.#bytes, this.#filled);
  }

  /** The bytes once `whole` of them are there, and nothing of them is kept here; undefined before. */
  finish(whole: number): Buffer | undefined {
    if (this.#filled < whole) return undefined;
    const bytes = this.#bytes.subarray(0, whole - lineEndBytes);
    this.#bytes = nothing;
    this.#filled = 0;
    this.#upload = undefined;
    return bytes;
  }

  /** As soon as it is worth a piece. */
  #passOn(upload: Upload, length: number): void {
    const end = Math.min(this.#filled, length);
    if (end - this.#uploaded < linkUploadPieceBytes && end < length) return;
    if (end > this.#uploaded) upload.push(this.#bytes.subarray(this.#uploaded, end));
    this.#uploaded = end;
  }

  #grow(whole: number): boolean {
    const had = this.#bytes.byteLength;
    const capacity = Math.min(whole, Math.max(respReceiveStepBytes, had * growthFactor));
    if (whole > socketUnbudgetedBytesMax && !this.#admit(capacity - had)) return false;
    const larger = capacity === whole ? this.#memory.take(whole) : Buffer.allocUnsafeSlow(capacity);
    this.#bytes.copy(larger, 0, 0, this.#filled);
    this.#bytes = larger;
    return true;
  }
}
