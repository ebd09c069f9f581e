/**
 * Cold reads: a record from its segment file, or by one range read from Blob, checked before anybody sees it.
 *
 * Concurrent reads of one record share one read. A damaged record on disk is read again from Blob where it is there;
 * if that fails too the answer is CORRUPT, never a wrong byte. Compaction may move a record while it is being read:
 * then the entry's new place is tried. Of a chain, base and deltas are read and joined; one that cannot be read makes the
 * whole unreadable, for a value without one of its changes would be wrong.
 */
import { KvcacheError } from '../../errors.ts';
import { deltaReadsInFlightMax } from '../../limits.ts';
import type { Chain, Entry, StoredValue } from '../journal.ts';
import { baseSequenceOf } from '../log/chain.ts';
import type { Log } from '../log/log.ts';
import { decodeParts } from '../log/parts.ts';
import {
  deltaHeadBytes,
  readRecordBody,
  readRecordHeader,
  recordKinds,
  type RecordBody,
  type RecordHeader,
} from '../log/record.ts';
import type { SegmentState } from '../log/segment-state.ts';
import { deltaReads, type DeltaRead } from './delta-reads.ts';
import type { TierBelow } from './tier-below.ts';

/** A record that moves more often than this during one read is a fault. */
const movesMax = 5;

interface ReadRecord {
  readonly header: RecordHeader;
  readonly body: RecordBody;
}

export interface ReaderStatistics {
  diskReads: number;
  blobReads: number;
  corruptRecords: number;
}

export class Reader {
  readonly statistics: ReaderStatistics = { diskReads: 0, blobReads: 0, corruptRecords: 0 };
  readonly #log: Log;
  readonly #below: TierBelow | undefined;
  readonly #onCorrupt: (segment: number, offset: number, where: string) => void;
  readonly #underWay = new Map<Entry, Promise<StoredValue>>();

  constructor(
    log: Log,
    below: TierBelow | undefined,
    onCorrupt: (segment: number, offset: number, where: string) => void,
  ) {
    this.#log = log;
    this.#below = below;
    this.#onCorrupt = onCorrupt;
  }

  read(entry: Entry): Promise<StoredValue> {
    const underWay = this.#underWay.get(entry);
    if (underWay !== undefined) return underWay;
    const reading = this.#read(entry).finally(() => this.#underWay.delete(entry));
    this.#underWay.set(entry, reading);
    return reading;
  }

  async #read(entry: Entry): Promise<StoredValue> {
    for (let moves = 0; ; moves++) {
      const { segment, offset, chain } = entry;
      try {
        return await this.#readAt(entry);
      } catch (error) {
        const hasMoved = entry.segment !== segment || entry.offset !== offset || entry.chain !== chain;
        if (!hasMoved || moves >= movesMax) throw error;
      }
    }
  }

  async #readAt(entry: Entry): Promise<StoredValue> {
    const { segment, offset, chain } = entry;
    const baseSequence = baseSequenceOf(entry);
    const { header, body } = await this.#record(segment, offset, entry.recordBytes);
    if (body.key.toString('latin1') !== entry.key || header.sequence !== baseSequence) {
      throw corrupt(segment, offset, 'it is another record');
    }
    const isWhole = header.kind !== recordKinds.commit;
    const value = isWhole ? body.value : await this.#joinParts(entry, baseSequence, body.value);
    const { type } = header;
    if (chain === undefined) return { type, meta: body.meta, body: value };
    return { type, meta: body.meta, body: Buffer.concat([value, ...(await this.#deltas(chain))]) };
  }

  /** The bytes of a chain's deltas, in order. */
  async #deltas(chain: Chain): Promise<Buffer[]> {
    const reads = deltaReads(chain.deltas);
    const found: Buffer[][] = [];
    for (let from = 0; from < reads.length; from += deltaReadsInFlightMax) {
      const some = reads.slice(from, from + deltaReadsInFlightMax);
      found.push(...(await Promise.all(some.map((read) => this.#deltasOf(read)))));
    }
    return found.flat();
  }

  async #deltasOf(read: DeltaRead): Promise<Buffer[]> {
    const together = read.deltas.length === 1 ? undefined : await this.#bytesOf(read);
    return Promise.all(
      read.deltas.map(async (delta) => {
        const { segment, offset, recordBytes } = delta;
        const from = offset - read.from;
        const salt = this.#log.segments.get(segment)?.salt ?? 0;
        const near = together && decode(together.subarray(from, from + recordBytes), salt);
        // What is damaged is read alone, where Blob may have it whole.
        const { header, body } = near ?? (await this.#record(segment, offset, recordBytes));
        if (header.kind !== recordKinds.delta || header.sequence !== delta.sequence) {
          throw corrupt(segment, offset, 'it is another record than the delta that should be there');
        }
        return body.value.subarray(deltaHeadBytes);
      }),
    );
  }

  /** Undefined where a stretch cannot be read at once. */
  async #bytesOf({ segment: id, from, to }: DeltaRead): Promise<Buffer | undefined> {
    const segment = this.#log.segments.get(id);
    try {
      if (segment?.file !== undefined) {
        this.statistics.diskReads++;
        return await this.#log.read(id, from, to - from);
      }
      if (segment === undefined || this.#below === undefined) return undefined;
      this.statistics.blobReads++;
      return await this.#below.readRange(segment, from, to - from);
    } catch (error) {
      if (!(error instanceof KvcacheError) && !isReadFault(error)) throw error;
      return undefined;
    }
  }

  async #joinParts(entry: Entry, sequence: number, list: Buffer): Promise<Buffer> {
    // After compaction the parts lie elsewhere than the commit record says; what the log knows is newer.
    const decoded = decodeParts(list);
    if (decoded === undefined) throw corrupt(entry.segment, entry.offset, 'its list of parts is damaged');
    const value = Buffer.allocUnsafeSlow(decoded.totalBytes);
    let end = 0;
    for (const part of this.#log.live.parts.get(entry) ?? decoded.parts) {
      const { header, body } = await this.#record(part.segment, part.offset, part.recordBytes);
      if (header.sequence !== sequence || end + body.value.byteLength > value.byteLength) {
        throw corrupt(part.segment, part.offset, 'it is no part of this value');
      }
      end += body.value.copy(value, end);
    }
    if (end !== value.byteLength) throw corrupt(entry.segment, entry.offset, 'a part is missing');
    return value;
  }

  async #record(id: number, offset: number, length: number): Promise<ReadRecord> {
    const segment = this.#log.segments.get(id);
    if (segment === undefined) throw corrupt(id, offset, 'its segment is gone');
    if (segment.file !== undefined) {
      const record = await this.#fromDisk(segment, offset, length);
      if (record !== undefined) return record;
    }
    return this.#fromBlob(segment, offset, length);
  }

  /** Undefined if the disk has no valid copy. */
  async #fromDisk(segment: SegmentState, offset: number, length: number): Promise<ReadRecord | undefined> {
    try {
      const bytes = await this.#log.read(segment.id, offset, length);
      this.statistics.diskReads++;
      const record = decode(bytes, segment.salt);
      if (record !== undefined) return record;
    } catch (error) {
      const isGone = error instanceof KvcacheError && error.code === 'UNAVAILABLE';
      if (!isGone && !isReadFault(error)) throw error;
      if (isGone) return undefined;
    }
    this.statistics.corruptRecords++;
    this.#onCorrupt(segment.id, offset, 'disk');
    return undefined;
  }

  async #fromBlob(segment: SegmentState, offset: number, length: number): Promise<ReadRecord> {
    if (this.#below === undefined) throw corrupt(segment.id, offset, 'there is no copy in Blob');
    this.statistics.blobReads++;
    const bytes = await this.#below.readRange(segment, offset, length);
    const record = decode(bytes, segment.salt);
    if (record !== undefined) return record;
    this.statistics.corruptRecords++;
    this.#onCorrupt(segment.id, offset, 'blob');
    throw corrupt(segment.id, offset, 'its copy in Blob is damaged too');
  }
}

function decode(bytes: Buffer, salt: number): ReadRecord | undefined {
  const header = readRecordHeader(bytes, 0, salt);
  const body = header && readRecordBody(bytes, 0, header);
  return header && body && { header, body };
}

function corrupt(segment: number, offset: number, why: string): KvcacheError {
  return new KvcacheError('CORRUPT', `the record at ${offset} of segment ${segment} cannot be read: ${why}`);
}

/** Faults of the medium: Blob may still have the bytes. */
function isReadFault(error: unknown): boolean {
  if (error instanceof KvcacheError) return error.code === 'CORRUPT';
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'EIO' || code === 'ENOENT';
}
