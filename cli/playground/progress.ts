/** The progress bar of a run: on standard error, at a terminal only, and not between lines of a log. */
import { SingleBar } from 'cli-progress';

export class Progress {
  readonly #bar: SingleBar | undefined;

  constructor(blocks: number, isShown: boolean) {
    if (!isShown || !process.stderr.isTTY || blocks === 0) return;
    this.#bar = new SingleBar({
      format: '{bar} {percentage} %  {value} of {total} blocks  {eta_formatted} left',
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    });
    this.#bar.start(blocks, 0);
  }

  add(blocks: number): void {
    this.#bar?.increment(blocks);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
