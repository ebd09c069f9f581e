/**
 * Storage over a MapIndex with a few calls, for tests of the log: what the engine does, without its commands.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../shard/clock.ts';
import type { Entry, JournalPosition, JournalWrite } from '../shard/journal.ts';
import { openStorage, type Storage } from '../shard/storage/storage.ts';
import type { StorageOptions } from '../shard/storage/storage-options.ts';
import { slotOf } from '../topology/slot.ts';
import { MapIndex } from './map-index.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const MiB = 1024 * 1024;

/** Bounds that tests do not reach unless they narrow them. */
export const roomyEviction = {
  enabled: true,
  diskBytes: 1024 * MiB,
  diskUsageThreshold: 80,
  batchSize: 100,
  retentionAgeMs: 0,
  retentionBytes: 0,
  unflushedBytesMax: 512 * MiB,
  onBlobFull: 'error' as const,
};

/** With bounds that tests do not reach unless they narrow them, and no fsync. */
export function roomyStorage(folder: string, index: StorageOptions['index']): StorageOptions {
  return {
    folder,
    fsync: 'never',
    segmentBytes: 16 * MiB,
    segmentAgeMs: 3_600_000,
    eviction: roomyEviction,
    evictionIntervalMs: 60_000,
    compaction: { liveRatio: 0.5, bytesPerSecond: 1024 * MiB, segmentBytes: 16 * MiB },
    fullWaitMs: 200,
    clock: systemClock,
    logger: quiet,
    index,
  };
}

export function temporaryFolder(name: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `kvcache-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export class TestStore {
  readonly index: MapIndex;
  readonly storage: Storage;

  constructor(index: MapIndex, storage: Storage) {
    this.index = index;
    this.storage = storage;
  }

  static async open(folder: string, options: Partial<StorageOptions> = {}): Promise<TestStore> {
    const index = new MapIndex();
    const storage = await openStorage({ ...roomyStorage(folder, index), ...options });
    return new TestStore(index, storage);
  }

  write(writes: readonly JournalWrite[]): JournalPosition {
    const { entries, position } = this.storage.append(writes);
    writes.forEach((write, at) => this.#replace(write, entries[at]));
    return position;
  }

  #replace(write: JournalWrite, entry: Entry | undefined): void {
    const old = this.index.find(write.space, write.key.toString('latin1'));
    if (old !== undefined) {
      this.storage.release(old);
      this.index.remove(old);
    }
    if (entry !== undefined) this.index.install(entry);
  }

  set(key: string, value: Buffer | string, expireAtMs = 0): JournalPosition {
    return this.write([setOf(key, value, expireAtMs)]);
  }

  /** Puts bytes behind the value of a key that is there, and gives it another expiry. */
  extend(key: string, bytes: string, expireAtMs: number): JournalPosition {
    const deltaOf = this.index.find(0, key)!;
    return this.write([{ ...setOf(key, bytes, expireAtMs), type: deltaOf.type, deltaOf }]);
  }

  delete(key: string): JournalPosition {
    const bytes = Buffer.from(key, 'latin1');
    return this.write([{ space: 0, key: bytes, slot: slotOf(bytes), expireAtMs: 0 }]);
  }

  async get(key: string): Promise<Buffer | undefined> {
    const entry = this.index.find(0, key);
    if (entry === undefined) return undefined;
    if (entry.expireAtMs !== 0 && entry.expireAtMs <= this.storage.log.now()) return undefined;
    const isAway = this.storage.isAway(entry);
    const { body, type } = await this.storage.read(entry);
    if (!isAway && type !== entry.type) throw new Error(`${key} is of type ${type}, its entry says ${entry.type}`);
    if (!isAway && body.byteLength !== entry.bodyBytes) {
      throw new Error(`${key} has ${body.byteLength} bytes, its entry says ${entry.bodyBytes}`);
    }
    return body;
  }

  async text(key: string): Promise<string | undefined> {
    return (await this.get(key))?.toString('latin1');
  }

  close(): Promise<void> {
    return this.storage.close({ flush: true });
  }

  /** Ends as a killed process would: what is not in the file is gone. Frees the directory for the next one. */
  async crash(): Promise<void> {
    this.storage.fence('crashed');
    await this.storage.close({ flush: false });
  }
}

export function setOf(key: string, value: Buffer | string, expireAtMs = 0): JournalWrite {
  const bytes = Buffer.from(key, 'latin1');
  const body = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return { space: 0, key: bytes, slot: slotOf(bytes), expireAtMs, body };
}
