/**
 * Brings a shard's index back from its disk, its blobs, or both.
 *
 * 1. Inventory of the directory; takeover of the manifest (which fences whoever wrote before).
 * 2. Reconcile: a local segment that is not the manifest's of that number, or that nobody listed before somebody else
 *    took over, is stale and removed. A segment that is only in the manifest is restored by its hint alone; its
 *    values are read by range when somebody asks.
 * 3. A segment without a hint was open when its process ended: the longer valid copy of disk and Blob is replayed,
 *    cut behind its last valid record and sealed. Nothing is ever appended to it again.
 * 4. All hints and replayed records go through the Loader, in any order.
 *
 * Every loss is in the report: damaged bytes, lost records, stale files.
 */
import fs from 'node:fs';
import { stat, truncate, unlink } from 'node:fs/promises';
import { KvcacheError } from '../../errors.ts';
import { blobBlockBytes, hintReadsInFlightMax } from '../../limits.ts';
import type { RecordIndex } from '../journal.ts';
import {
  extraOf,
  HintBuilder,
  HintCursor,
  hintCursor,
  type HintEntry,
  isIntactHint,
  readHintHead,
} from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import { type Damage, replay, type ReplayedRecord } from '../log/replay.ts';
import { bodyBytesOf, recordBytesOf, recordKinds } from '../log/record.ts';
import { decodeParts } from '../log/parts.ts';
import { SegmentFile } from '../log/segment-file.ts';
import { encodeSegmentHeader, segmentHeaderBytes } from '../log/segment-header.ts';
import { SegmentState } from '../log/segment-state.ts';
import type { SegmentSummary } from '../segment.ts';
import { type FoundSegment, identityOfHint, type Inventory, readIntactHint } from './inventory.ts';
import { Loader } from './loader.ts';
import type { Takeover, TierBelow } from './tier-below.ts';

export interface RecoveryReport {
  segments: number;
  records: number;
  /** Stretches of segment files that gave no record. */
  damages: { segment: number; from: number; to: number }[];
  /** Values whose bytes are gone; they are misses. */
  lostRecords: number;
  /** Local segments that another process's takeover made void. */
  staleSegments: number[];
  /** Files moved aside because their header is damaged. */
  damagedFiles: readonly string[];
  /** Bytes of open segments that Blob had and the disk had lost. */
  bytesFromBlob: number;
  /** The highest topology epoch that any record was written by. */
  newestEpoch: number;
}

export interface RecoveryInput {
  readonly log: Log;
  readonly index: RecordIndex;
  readonly inventory: Inventory;
  readonly below: TierBelow | undefined;
  /** Undefined: Blob is off or cannot be reached now. */
  readonly takeover: Takeover | undefined;
  readonly sinceOf: (slot: number) => number;
}

export async function recover(input: RecoveryInput): Promise<RecoveryReport> {
  return new Recovery(input).run();
}

class Recovery {
  readonly #input: RecoveryInput;
  readonly #loader: Loader;
  readonly #listed: ReadonlyMap<number, SegmentSummary>;
  readonly #report: RecoveryReport;
  /** Another process has written this shard since this disk was in use. */
  readonly #isSuperseded: boolean;

  constructor(input: RecoveryInput) {
    this.#input = input;
    this.#loader = new Loader(input.log, input.index, input.sinceOf);
    this.#listed = new Map((input.takeover?.segments ?? []).map((summary) => [summary.id, summary]));
    this.#isSuperseded = input.takeover !== undefined && wroteSince(input.takeover, input.inventory);
    this.#report = {
      segments: 0,
      records: 0,
      damages: [],
      lostRecords: 0,
      staleSegments: [],
      damagedFiles: input.inventory.damaged,
      bytesFromBlob: 0,
      newestEpoch: 0,
    };
  }

  async run(): Promise<RecoveryReport> {
    const { log, inventory } = this.#input;
    await this.#removeStale();
    const ids = new Set([...inventory.files.keys(), ...inventory.hints, ...this.#listed.keys()]);
    for (const id of ids) log.reserveId(id);
    if (inventory.nextSegment > 1) log.reserveId(inventory.nextSegment - 1);
    const remoteOnly: SegmentSummary[] = [];
    for (const id of [...ids].sort((a, b) => a - b)) {
      const file = inventory.files.get(id);
      const listed = this.#listed.get(id);
      if (file !== undefined) await this.#loadLocal(file, listed);
      else if (listed !== undefined && !listed.sealed) await this.#loadOpenBlob(listed);
      else if (listed !== undefined) remoteOnly.push(listed);
      else await this.#loadLoneHint(id);
    }
    await this.#loadRemote(remoteOnly);
    this.#loader.finish();
    this.#report.segments = log.segments.size;
    this.#report.records = this.#loader.records;
    this.#report.newestEpoch = this.#loader.newestEpoch;
    this.#report.lostRecords = this.#loader.lost;
    return this.#report;
  }

  async #removeStale(): Promise<void> {
    const { inventory, takeover, log } = this.#input;
    if (takeover === undefined) return;
    for (const [id, { header, path }] of inventory.files) {
      const listed = this.#listed.get(id);
      const isSame = listed !== undefined && listed.salt === header.salt && listed.incarnation === header.incarnation;
      if (isSame || (listed === undefined && !this.#isSuperseded)) continue;
      await unlink(path);
      inventory.files.delete(id);
      this.#report.staleSegments.push(id);
      if (inventory.hints.delete(id)) await unlink(log.hintPathOf(id));
    }
    // Without a file, only the manifest tells that a hint still means something.
    for (const id of inventory.hints) {
      if (inventory.files.has(id) || this.#listed.has(id)) continue;
      await unlink(log.hintPathOf(id));
      inventory.hints.delete(id);
    }
  }

  async #loadLocal(found: FoundSegment, listed: SegmentSummary | undefined): Promise<void> {
    const { log } = this.#input;
    const { header, path, fileBytes } = found;
    const hint = await readIntactHint(log.hintPathOf(header.id), header);
    if (listed?.sealed && (hint === undefined || fileBytes !== listed.bytes)) {
      // The blob is whole and carries its hint; this disk has lost something, or has what came too late to count.
      if (fileBytes < listed.bytes)
        this.#report.damages.push({ segment: header.id, from: fileBytes, to: listed.bytes });
      if (fileBytes > listed.bytes) this.#report.staleSegments.push(header.id);
      await unlink(path);
      await this.#loadRemote([listed]);
    } else if (hint !== undefined && !(this.#isSuperseded && listed !== undefined && !listed.sealed)) {
      const segment = this.#register(header, header.createdAtMs, fileBytes, SegmentFile.open(path));
      await this.#loadHint(segment, hint, fileBytes);
    } else {
      if (listed !== undefined) await this.#reconcileOpen(found, listed);
      await this.#replayAndSeal(header.id, found);
    }
  }

  /** An open segment that both have: fetch what only Blob has; cut off what came after somebody else's takeover. */
  async #reconcileOpen(found: FoundSegment, listed: SegmentSummary): Promise<void> {
    if (this.#isSuperseded && found.fileBytes > listed.bytes) {
      await truncate(found.path, Math.max(listed.bytes, segmentHeaderBytes));
      this.#report.staleSegments.push(listed.id);
    }
    await this.#fetchTail(found, listed);
  }

  /** Blob may hold committed bytes of an open segment that the disk lost: fetch what is behind the valid ones. */
  async #fetchTail(found: FoundSegment, listed: SegmentSummary): Promise<void> {
    const { below } = this.#input;
    const file = SegmentFile.open(found.path);
    try {
      const { validBytes } = await replay(
        (offset, length) => file.read(offset, length),
        (await stat(found.path)).size,
        found.header.salt,
        () => undefined,
      );
      for (let at = validBytes; at < listed.bytes; at += blobBlockBytes) {
        const bytes = await below!.readRange(listed, at, Math.min(blobBlockBytes, listed.bytes - at));
        fs.writeSync(file.fd, bytes, 0, bytes.byteLength, at);
        this.#report.bytesFromBlob += bytes.byteLength;
      }
      if (listed.bytes > validBytes) fs.fsyncSync(file.fd);
    } finally {
      await file.close();
    }
  }

  /** An open segment that is in Blob alone has no hint: its bytes are needed here. */
  async #loadOpenBlob(listed: SegmentSummary): Promise<void> {
    const { log, below } = this.#input;
    const path = log.pathOf(listed.id);
    const fd = fs.openSync(path, 'w');
    try {
      const head = encodeSegmentHeader(listed);
      fs.writeSync(fd, head, 0, head.byteLength, 0);
      for (let at = 0; at < listed.bytes; at += blobBlockBytes) {
        const bytes = await below!.readRange(listed, at, Math.min(blobBlockBytes, listed.bytes - at));
        fs.writeSync(fd, bytes, 0, bytes.byteLength, at);
        this.#report.bytesFromBlob += bytes.byteLength;
      }
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    await this.#replayAndSeal(listed.id, { header: listed, path, fileBytes: listed.bytes });
  }

  async #replayAndSeal(id: number, found: FoundSegment): Promise<void> {
    const { log } = this.#input;
    const { path, header } = found;
    const fileBytes = (await stat(path)).size;
    const file = SegmentFile.open(path);
    const segment = this.#register(header, header.createdAtMs, fileBytes, file);
    const seen = new ReplayedSegment(segment);
    const read = (offset: number, length: number): Promise<Buffer> => file.read(offset, length);
    const result = await replay(read, fileBytes, header.salt, (record) => seen.add(record));
    this.#reportDamages(id, result.damages);
    if (result.validBytes < fileBytes) await truncate(path, result.validBytes);
    segment.bytes = Math.max(result.validBytes, segmentHeaderBytes);
    const hint = new HintBuilder();
    for (const entry of seen.complete()) hint.add(entry, seen.newestMs);
    const identity = { id, incarnation: header.incarnation, salt: header.salt };
    const { totals } = hint;
    const chunks = hint.chunks();
    const hintPath = log.hintPathOf(id);
    segment.hintBytes = await log.worker.hint({ path: hintPath, identity, chunks: chunks.map((b) => b), totals });
    segment.totals = totals;
    for (const chunk of chunks) await this.#loader.load(segment, new HintCursor(chunk), segment.bytes);
    log.observe(totals.maxSequence, totals.newestMs);
  }

  async #loadRemote(summaries: readonly SegmentSummary[]): Promise<void> {
    const { log, below } = this.#input;
    const waiting = [...summaries];
    const lanes = Array.from({ length: Math.min(hintReadsInFlightMax, waiting.length) }, async () => {
      for (let summary = waiting.shift(); summary !== undefined; summary = waiting.shift()) {
        const local = await readIntactHint(log.hintPathOf(summary.id), summary);
        const hint = local ?? (await below!.readHint(summary));
        if (local === undefined && !isIntactHint(hint, summary)) {
          throw new KvcacheError('CORRUPT', `the hint of segment ${summary.id} in Blob is damaged`);
        }
        const segment = this.#register(summary, summary.createdAtMs, summary.bytes, undefined);
        // The disk takes as long as the index does.
        await Promise.all([
          local ?? fs.promises.writeFile(log.hintPathOf(summary.id), hint, { flush: true }),
          this.#loadHint(segment, hint, summary.bytes),
        ]);
      }
    });
    await Promise.all(lanes);
  }

  /** Blob cannot be asked now, but the hint tells what lies there. */
  async #loadLoneHint(id: number): Promise<void> {
    const { log, below } = this.#input;
    const path = log.hintPathOf(id);
    const identity = await identityOfHint(path);
    const hint = identity && (await readIntactHint(path, identity));
    if (below === undefined || identity === undefined || hint === undefined) {
      await unlink(path);
      return;
    }
    const segment = this.#register(identity, 0, Number.MAX_SAFE_INTEGER, undefined);
    await this.#loadHint(segment, hint, Number.MAX_SAFE_INTEGER);
    segment.bytes = segment.liveBytes;
  }

  async #loadHint(segment: SegmentState, hint: Buffer, readableBytes: number): Promise<void> {
    const head = readHintHead(hint)!;
    segment.hintBytes = hint.byteLength;
    segment.totals = head;
    await this.#loader.load(segment, hintCursor(hint), readableBytes);
    this.#input.log.observe(head.maxSequence, head.newestMs);
  }

  #register(
    identity: { id: number; incarnation: number; salt: number },
    createdAtMs: number,
    bytes: number,
    file: SegmentFile | undefined,
  ): SegmentState {
    const segment = new SegmentState(identity, createdAtMs, bytes);
    segment.isSealed = true;
    segment.hint = undefined;
    segment.file = file;
    this.#input.log.segments.set(segment.id, segment);
    return segment;
  }

  #reportDamages(segment: number, damages: readonly Damage[]): void {
    for (const { from, to } of damages) this.#report.damages.push({ segment, from, to });
  }
}

/**
 * True if the manifest lists segments of a later incarnation than this disk knows of: another process has taken the
 * shard over and written. A takeover alone, such as our own that died before its first write, voids nothing.
 */
export function wroteSince(takeover: Takeover, inventory: Inventory): boolean {
  return takeover.segments.some((segment) => segment.incarnation > (inventory.incarnation ?? 0));
}

/** The records of a replayed segment as hint entries; commits whose parts did not survive are left out. */
class ReplayedSegment {
  newestMs = 0;
  readonly #segment: SegmentState;
  readonly #entries: HintEntry[] = [];
  readonly #chunks = new Set<number>();

  constructor(segment: SegmentState) {
    this.#segment = segment;
  }

  add({ header, body, offset }: ReplayedRecord): void {
    if (header.writtenAtMs > this.newestMs) this.newestMs = header.writtenAtMs;
    if (header.kind === recordKinds.chunk) {
      this.#chunks.add(offset);
      return;
    }
    const extra = Buffer.from(extraOf(header.kind, body.value));
    this.#entries.push({
      kind: header.kind,
      space: header.space,
      type: header.type,
      slot: header.slot,
      epoch: header.epoch,
      sequence: header.sequence,
      expireAtMs: header.expireAtMs,
      offset,
      recordBytes: recordBytesOf(header),
      bodyBytes:
        header.kind === recordKinds.commit ? (decodeParts(extra)?.totalBytes ?? 0) : bodyBytesOf(header, body.value),
      key: Buffer.from(body.key),
      extra,
    });
  }

  complete(): HintEntry[] {
    return this.#entries.filter((entry) => {
      if (entry.kind !== recordKinds.commit) return true;
      const parts = decodeParts(entry.extra)?.parts;
      return parts?.every((part) => part.segment !== this.#segment.id || this.#chunks.has(part.offset)) ?? false;
    });
  }
}
