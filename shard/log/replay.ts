/**
 * Reads the records of a segment that has no hint: what a crash left open, or what a damaged hint no longer tells.
 *
 * Damage costs as little as it can. A record with a valid header and a bad body is skipped, for its length is known.
 * Behind a bad header the next valid one is looked for; the salt in its checksum makes sure that it is a record of
 * this segment and not one inside somebody's value. Records of an atomic group are handed on only when the whole
 * group is there.
 */
import { storedTypeMax } from '../../commands/stored-type.ts';
import { spaceMax } from '../journal.ts';
import { recordKeyBytesMax, recordTagsBytesMax, wholeRecordBytesMax } from '../../limits.ts';
import { extraOf } from './hint.ts';
import {
  flagGroupContinues,
  flagGroupFollows,
  readRecordBody,
  readRecordHeader,
  type RecordBody,
  recordBytesOf,
  type RecordHeader,
  recordHeaderBytes,
  recordKinds,
} from './record.ts';
import { segmentHeaderBytes } from './segment-header.ts';

/** A stretch of bytes that gave no record. */
export interface Damage {
  readonly from: number;
  readonly to: number;
}

export interface ReplayResult {
  /** Where the last valid record ends. */
  readonly validBytes: number;
  readonly damages: readonly Damage[];
}

export interface ReplayedRecord {
  readonly header: RecordHeader;
  readonly body: RecordBody;
  readonly offset: number;
}

const recordBytesMax = recordHeaderBytes + recordKeyBytesMax + recordTagsBytesMax + wholeRecordBytesMax;
const windowBytes = 2 * recordBytesMax;

/**
 * Calls `onRecord` for every valid record of a file of `fileBytes`, in order. `read(offset, length)` gives exactly
 * that many bytes. Views in `body` are good only during the call.
 */
export async function replay(
  read: (offset: number, length: number) => Promise<Buffer>,
  fileBytes: number,
  salt: number,
  onRecord: (record: ReplayedRecord) => void,
): Promise<ReplayResult> {
  const scan = new Scan(salt, onRecord);
  let windowStart = segmentHeaderBytes;
  while (windowStart < fileBytes) {
    const length = Math.min(windowBytes, fileBytes - windowStart);
    const window = await read(windowStart, length);
    const isLast = windowStart + length >= fileBytes;
    const consumed = scan.window(window, windowStart, isLast);
    windowStart += consumed;
    if (isLast) break;
  }
  scan.end(fileBytes);
  return { validBytes: scan.validBytes, damages: scan.damages };
}

class Scan {
  validBytes = segmentHeaderBytes;
  readonly damages: Damage[] = [];
  readonly #salt: number;
  readonly #onRecord: (record: ReplayedRecord) => void;
  #damageFrom = -1;
  #group: ReplayedRecord[] = [];

  constructor(salt: number, onRecord: (record: ReplayedRecord) => void) {
    this.#salt = salt;
    this.#onRecord = onRecord;
  }

  /** Takes what it can of a window and returns how many bytes it needs no more. */
  window(window: Buffer, windowStart: number, isLast: boolean): number {
    let at = 0;
    while (at < window.byteLength) {
      if (!isLast && window.byteLength - at < recordBytesMax) return at;
      const header = readRecordHeader(window, at, this.#salt);
      if (header === undefined) {
        this.#beginDamage(windowStart + at);
        at = nextCandidate(window, at + 1);
        continue;
      }
      const end = at + recordBytesOf(header);
      const body = end <= window.byteLength ? readRecordBody(window, at, header) : undefined;
      if (body === undefined) {
        // A body that is cut by the end of the file is the torn tail of a crash; nothing lies behind it.
        this.#beginDamage(windowStart + at);
        at = Math.min(end, window.byteLength);
        continue;
      }
      this.#endDamage(windowStart + at);
      this.#take({ header, body, offset: windowStart + at });
      at = end;
      this.validBytes = windowStart + end;
    }
    return at;
  }

  end(fileBytes: number): void {
    if (this.#group.length > 0) this.#dropGroup(this.validBytes);
    this.#endDamage(fileBytes);
  }

  #take(record: ReplayedRecord): void {
    const continues = (record.header.flags & flagGroupContinues) !== 0;
    const follows = (record.header.flags & flagGroupFollows) !== 0;
    if (follows && this.#group.length === 0) {
      // The beginning of its group is damaged.
      this.damages.push({ from: record.offset, to: record.offset + recordBytesOf(record.header) });
      return;
    }
    if (!continues && !follows) {
      this.#onRecord(record);
      return;
    }
    // Views die with the window, so members of a group that waits for its end are kept as copies.
    this.#group.push(ownRecord(record));
    if (continues) return;
    for (const member of this.#group) this.#onRecord(member);
    this.#group = [];
  }

  #beginDamage(offset: number): void {
    if (this.#damageFrom < 0) this.#damageFrom = offset;
    if (this.#group.length > 0) this.#dropGroup(offset);
  }

  #dropGroup(to: number): void {
    this.damages.push({ from: this.#group[0]!.offset, to });
    this.#group = [];
  }

  #endDamage(offset: number): void {
    if (this.#damageFrom >= 0 && offset > this.#damageFrom) this.damages.push({ from: this.#damageFrom, to: offset });
    this.#damageFrom = -1;
  }
}

function ownRecord(record: ReplayedRecord): ReplayedRecord {
  const { key, meta, value } = record.body;
  // Recovery needs a commit's parts, an away record's length and a delta's predecessor, but no whole values.
  const { kind } = record.header;
  const needed = kind === recordKinds.away ? value : extraOf(kind, value);
  return {
    header: record.header,
    offset: record.offset,
    body: {
      key: Buffer.from(key),
      meta: meta && Buffer.from(meta),
      value: Buffer.from(needed),
    },
  };
}

/** The next offset at which a header might begin, judged by bytes that are zero or small in every header. */
function nextCandidate(window: Buffer, from: number): number {
  const last = window.byteLength - recordHeaderBytes;
  for (let at = from; at <= last; at++) {
    const kind = window[at + 8]!;
    if (kind === 0 || kind > recordKinds.away || window[at + 10]! > spaceMax || window[at + 11]! > storedTypeMax)
      continue;
    if (window[at + 14] === 0 && window[at + 15] === 0 && window[at + 19] === 0 && window[at + 27] === 0) return at;
  }
  return window.byteLength;
}
