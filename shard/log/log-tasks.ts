/**
 * What would stall the event loop of a shard: building hints (a Bloom filter and checksums over half a million
 * entries) and copying live records during compaction, under a bandwidth bound. Runs in log-worker.ts.
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { compactionChunkBytes, compactionWriteBytes, smallTaskBytesMax, smallTaskRecordsMax } from '../../limits.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import type { SegmentIdentity } from '../segment.ts';
import { buildHint, HintBuilder, type HintTotals } from './hint.ts';
import {
  bodyBytesOf,
  flagGroupContinues,
  flagGroupFollows,
  readRecordBody,
  readRecordHeader,
  recordBytes,
  recordBytesOf,
  type RecordHeader,
  type RecordBody,
  recordKinds,
  resaltRecord,
  writeRecordHead,
} from './record.ts';
import { encodeSegmentHeader } from './segment-header.ts';

export interface HintTask {
  readonly name: 'hint';
  readonly path: string;
  readonly identity: SegmentIdentity;
  readonly chunks: Uint8Array[];
  readonly totals: HintTotals;
}

export interface CompactTask {
  readonly name: 'compact';
  /** Live records by source: (offset, length, 1 to write a tombstone in its place) triples, offsets ascending. */
  readonly sources: { readonly path: string; readonly salt: number; readonly records: Float64Array }[];
  readonly output: SegmentIdentity & { readonly createdAtMs: number; readonly path: string; readonly hintPath: string };
  readonly bytesPerSecond: number;
}

export interface CompactResult {
  /** By source, in the order of its records: the new offset, or -1 where the record was damaged. */
  readonly offsets: Float64Array[];
  readonly bytes: number;
  readonly hintBytes: number;
  readonly totals: HintTotals;
}

export type LogTask = HintTask | CompactTask;

/** Writes a hint file and returns its length. */
function writeHint({ path, identity, chunks, totals }: Omit<HintTask, 'name'>): number {
  const temporary = `${path}.new`;
  const file = fs.openSync(temporary, 'w');
  let bytes = 0;
  try {
    for (const part of buildHint(identity, chunks, totals)) {
      fs.writeFileSync(file, part);
      bytes += part.byteLength;
    }
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(temporary, path);
  return bytes;
}

class Compaction {
  readonly #task: CompactTask;
  readonly #hint = new HintBuilder();
  readonly #output: number;
  /** Where records are read to, again and again. */
  #window = Buffer.allocUnsafeSlow(compactionChunkBytes);
  /** What goes to the file next: small records leave together. */
  readonly #gathered = Buffer.allocUnsafeSlow(compactionWriteBytes);
  #gatheredBytes = 0;
  /** Where the next record begins in the output. */
  #position = 0;

  constructor(task: CompactTask) {
    this.#task = task;
    this.#output = fs.openSync(task.output.path, 'w');
    this.#write(encodeSegmentHeader(task.output));
  }

  async run(): Promise<CompactResult> {
    try {
      const offsets: Float64Array[] = [];
      for (const source of this.#task.sources) offsets.push(await this.#copy(source));
      this.#flush();
      fs.fsyncSync(this.#output);
      const { output } = this.#task;
      const totals = this.#hint.totals;
      const hint = { path: output.hintPath, identity: output, chunks: this.#hint.chunks(), totals };
      return { offsets, bytes: this.#position, hintBytes: writeHint(hint), totals };
    } finally {
      fs.closeSync(this.#output);
    }
  }

  async #copy(source: CompactTask['sources'][number]): Promise<Float64Array> {
    const { records } = source;
    const offsets = new Float64Array(records.length / 3).fill(-1);
    const fd = fs.openSync(source.path, 'r');
    try {
      let index = 0;
      while (index < offsets.length) {
        const from = records[index * 3]!;
        let last = index;
        let to = from + records[index * 3 + 1]!;
        while (last + 1 < offsets.length) {
          const nextEnd = records[(last + 1) * 3]! + records[(last + 1) * 3 + 1]!;
          if (nextEnd - from > compactionChunkBytes) break;
          last++;
          to = nextEnd;
        }
        const window = this.#read(fd, from, to - from);
        for (; index <= last; index++) {
          const at = records[index * 3]! - from;
          offsets[index] = this.#take(window, at, source.salt, records[index * 3 + 2] === 1);
        }
        await delay(((to - from) / this.#task.bytesPerSecond) * 1000);
      }
    } finally {
      fs.closeSync(fd);
    }
    return offsets;
  }

  /** As many bytes as there are, until the next call. */
  #read(fd: number, from: number, bytes: number): Buffer {
    if (this.#window.byteLength < bytes) this.#window = Buffer.allocUnsafeSlow(bytes);
    return this.#window.subarray(0, fs.readSync(fd, this.#window, 0, bytes, from));
  }

  /** Copies one record and returns its new offset, or -1 if it is damaged. */
  #take(window: Buffer, at: number, salt: number, asTombstone: boolean): number {
    const header = at < window.byteLength ? readRecordHeader(window, at, salt) : undefined;
    const body = header && readRecordBody(window, at, header);
    if (header === undefined || body === undefined) return -1;
    const offset = this.#position;
    if (asTombstone) {
      this.#writeTombstone(header, body);
    } else {
      const record = window.subarray(at, at + recordBytesOf(header));
      record[9]! &= ~(flagGroupContinues | flagGroupFollows);
      resaltRecord(record, 0, this.#task.output.salt);
      this.#write(record);
    }
    this.#addToHint(header, body, offset, asTombstone);
    return offset;
  }

  #writeTombstone(header: RecordHeader, body: RecordBody): void {
    const record = Buffer.allocUnsafe(recordBytes(body.key.byteLength, undefined, 0));
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const tombstone = { kind: recordKinds.tombstone, type: storedTypes.bytes, expireAtMs: 0 } as const;
    const fields = { ...header, ...tombstone, key: body.key, meta: undefined, value: Buffer.alloc(0) };
    const { epoch, writtenAtMs } = header;
    writeRecordHead(record, view, 0, fields, { flags: 0, epoch, writtenAtMs }, this.#task.output.salt);
    this.#write(record);
  }

  #addToHint(header: RecordHeader, body: RecordBody, offset: number, asTombstone: boolean): void {
    this.#hint.add(
      {
        kind: asTombstone ? recordKinds.tombstone : header.kind,
        space: header.space,
        type: asTombstone ? storedTypes.bytes : header.type,
        slot: header.slot,
        epoch: header.epoch,
        sequence: header.sequence,
        expireAtMs: asTombstone ? 0 : header.expireAtMs,
        offset,
        recordBytes: this.#position - offset,
        bodyBytes: asTombstone ? 0 : bodyBytesOf(header, body.value),
        key: body.key,
        extra: Buffer.alloc(0),
      },
      header.writtenAtMs,
    );
  }

  #write(bytes: Buffer): void {
    this.#position += bytes.byteLength;
    if (this.#gatheredBytes + bytes.byteLength > compactionWriteBytes) this.#flush();
    if (bytes.byteLength > compactionWriteBytes) fs.writeFileSync(this.#output, bytes);
    else this.#gatheredBytes += bytes.copy(this.#gathered, this.#gatheredBytes);
  }

  #flush(): void {
    fs.writeFileSync(this.#output, this.#gathered.subarray(0, this.#gatheredBytes));
    this.#gatheredBytes = 0;
  }
}

/** Does one task: the length of the hint, or the result of the compaction. */
export async function perform(task: LogTask): Promise<unknown> {
  return task.name === 'hint' ? writeHint(task) : new Compaction(task).run();
}

/** True if starting a thread would take longer than the work itself. */
export function isSmall(task: LogTask): boolean {
  if (task.name === 'hint') return task.totals.count <= smallTaskRecordsMax;
  const records = task.sources.reduce((sum, source) => sum + source.records.length / 3, 0);
  const bytes = task.sources.reduce((sum, source) => sum + bytesOf(source.records), 0);
  return records <= smallTaskRecordsMax && bytes <= smallTaskBytesMax;
}

function bytesOf(records: Float64Array): number {
  let sum = 0;
  for (let index = 1; index < records.length; index += 3) sum += records[index]!;
  return sum;
}
