/** The main thread's end of log-worker.ts: one worker a shard, started with its first task that is worth it. */
import { Worker } from 'node:worker_threads';
import { KvcacheError } from '../../errors.ts';
import { type CompactResult, type CompactTask, type HintTask, isSmall, type LogTask, perform } from './log-tasks.ts';

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly code?: string;
}

export class LogWorker {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  /** Writes a hint file and returns its length. */
  hint(task: Omit<HintTask, 'name'>): Promise<number> {
    return this.#perform({ name: 'hint', ...task }) as Promise<number>;
  }

  compact(task: Omit<CompactTask, 'name'>): Promise<CompactResult> {
    return this.#perform({ name: 'compact', ...task }) as Promise<CompactResult>;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #perform(task: LogTask): Promise<unknown> {
    if (isSmall(task)) return perform(task);
    this.#worker ??= this.#start();
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, task });
    return answer;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./log-worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', (answer: Answer) => {
      const waiter = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error === undefined) waiter?.resolve(answer.result);
      else waiter?.reject(Object.assign(new Error(answer.error), { code: answer.code }));
    });
    worker.on('error', (error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new KvcacheError('SHUTDOWN', 'the log worker has ended')));
    return worker;
  }

  #fail(worker: Worker, error: unknown): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error instanceof Error ? error : new Error(String(error)));
    this.#waiting.clear();
  }
}
