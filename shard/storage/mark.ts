/** Keeps shard.json (inventory.ts), which is written whenever the shard is taken over, one write after the other. */
import { writeMark } from './inventory.ts';

export class Mark {
  /** What the file says; undefined where there is none. */
  incarnation: number | undefined;
  readonly #folder: string;
  readonly #nextSegment: () => number;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string, nextSegment: () => number) {
    this.#folder = folder;
    this.#nextSegment = nextSegment;
  }

  /** Writes the numbers as they are; without an incarnation, the one that stands there stays. */
  write(incarnation?: number): Promise<void> {
    const written = this.#writing.then(async () => {
      this.incarnation = incarnation ?? this.incarnation;
      if (this.incarnation === undefined) return;
      await writeMark(this.#folder, { incarnation: this.incarnation, nextSegment: this.#nextSegment() });
    });
    this.#writing = written.catch(() => undefined);
    return written;
  }
}
