/**
 * Tokens of a text for a server that has other things to do: in a thread of its own, which is there while it is used.
 *
 * Tables take long to load and much memory, and there are texts whose time grows with the square of their length (a
 * hundred thousand times one letter), so none of it may happen where commands are answered. One text at a time; a text
 * that takes too long ends with its thread, and the next one gets another.
 */
import { Worker } from 'node:worker_threads';
import { KvcacheError } from '../errors.ts';
import { tokenizeCharsMax, tokenizeIdleMs, tokenizeQueueMax, tokenizeTimeoutMs } from '../limits.ts';
import type { EncodingName } from './encodings.ts';

export interface Tokenized {
  readonly tokens: number[];
  /** What each block of tokens says, the last one short. */
  readonly texts: string[];
}

export class Tokenizer {
  readonly #timeoutMs: number;
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor({ timeoutMs = tokenizeTimeoutMs }: { readonly timeoutMs?: number } = {}) {
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects with KvcacheError TOOLARGE, TRYAGAIN or TIMEOUT. */
  async tokenize(text: string, encoding: EncodingName): Promise<Tokenized> {
    if (text.length > tokenizeCharsMax) {
      throw new KvcacheError('TOOLARGE', `a text of ${text.length} characters; at most ${tokenizeCharsMax} are taken`);
    }
    if (this.#waiting >= tokenizeQueueMax) {
      throw new KvcacheError('TRYAGAIN', 'too many texts wait to be made into tokens; try again');
    }
    this.#waiting++;
    const result = this.#last.then(() => this.#run(text, encoding));
    this.#last = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#waiting--;
    }
  }

  close(): void {
    clearTimeout(this.#idle);
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  #run(text: string, encoding: EncodingName): Promise<Tokenized> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= new Worker(new URL('./worker.ts', import.meta.url)));
    // The thread alone keeps no process alive.
    worker.unref();
    return new Promise((resolve, reject) => {
      const answered = (answer: Tokenized): void => {
        ignore();
        this.#idle = setTimeout(() => this.close(), tokenizeIdleMs).unref();
        resolve(answer);
      };
      const failed = (error: Error): void => {
        ignore();
        this.close();
        reject(error);
      };
      const ended = (): void => failed(new KvcacheError('ERR', 'the tokenizer’s thread ended'));
      const late = `the text was not made into tokens within ${this.#timeoutMs} ms`;
      const timer = setTimeout(() => failed(new KvcacheError('TIMEOUT', late)), this.#timeoutMs);
      const ignore = (): void => {
        clearTimeout(timer);
        worker.off('message', answered).off('error', failed).off('exit', ended);
      };
      worker.on('message', answered).on('error', failed).on('exit', ended);
      worker.postMessage({ text, encoding });
    });
  }
}
