/** How much memory a process really takes, looked at many times a second while a test runs. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isAlive } from '../cli/testing/command.ts';

const sampleMs = 100;

/** Bytes of a process that are in RAM; undefined when it has ended. */
function residentBytes(pid: number): number | undefined {
  try {
    if (process.platform !== 'linux') return 1024 * Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`]));
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
  } catch (error) {
    if (isAlive(pid)) throw error;
    return undefined;
  }
}

export class ResidentMemory implements Disposable {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  /** The most that was seen. */
  peakBytes = 0;
  samples = 0;

  /** Begins to look. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#look();
    this.#timer = setInterval(() => this.#look(), sampleMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const bytes = residentBytes(this.#pid);
    if (bytes === undefined) {
      this[Symbol.dispose]();
      return;
    }
    this.peakBytes = Math.max(this.peakBytes, bytes);
    this.samples += 1;
  }
}
