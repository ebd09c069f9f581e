/**
 * What a loss of power leaves of a shard's directory: the bytes that were forced to the disk, and no others.
 *
 * A kill of the process alone cannot show that: the system keeps what the process has written and writes it in its own
 * time. So the process notes its syncs (sync-recorder.ts), and after a kill every segment file is cut to what was
 * synced of it; one that never was is empty. Names and hints are synced as they are made and stay.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const recorder = pathToFileURL(join(import.meta.dirname, 'sync-recorder.ts')).href;

export class RecordedDisk {
  readonly dataPath: string;
  readonly #recordPath: string;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'kvcache-disk-'));
    this.dataPath = join(folder, 'data');
    this.#recordPath = join(folder, 'syncs');
  }

  /** For the shard's process. */
  get environment(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${recorder}`, SYNC_RECORD: this.#recordPath };
  }

  /** Bytes of all segment files. */
  writtenBytes(): number {
    return this.#segments().reduce((sum, path) => sum + statSync(path).size, 0);
  }

  /** How many of them a loss of power would leave. */
  syncedBytes(): number {
    const synced = this.#synced();
    return this.#segments().reduce((sum, path) => sum + Math.min(statSync(path).size, synced.get(path) ?? 0), 0);
  }

  /** Takes away what was not synced. The process must have ended. */
  losePower(): void {
    const synced = this.#synced();
    for (const path of this.#segments()) {
      const kept = synced.get(path) ?? 0;
      if (statSync(path).size > kept) truncateSync(path, kept);
    }
  }

  remove(): void {
    rmSync(join(this.dataPath, '..'), { recursive: true, force: true });
  }

  #segments(): string[] {
    const folder = join(this.dataPath, 'segments');
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => join(folder, name));
  }

  #synced(): Map<string, number> {
    const synced = new Map<string, number>();
    if (!existsSync(this.#recordPath)) return synced;
    for (const line of readFileSync(this.#recordPath, 'utf8').split('\n').filter(Boolean)) {
      const { path, bytes } = JSON.parse(line) as { path: string; bytes: number };
      synced.set(path, Math.max(bytes, synced.get(path) ?? 0));
    }
    return synced;
  }
}
