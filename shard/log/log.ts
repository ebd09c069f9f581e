/**
 * The log: a folder of segment files, one of them open for appending.
 *
 *   <data>/format             "kvcache data format 3"
 *   <data>/segments/<id>.log  records (record.ts) behind a segment header
 *   <data>/segments/<id>.hint what recovery needs of a sealed segment (hint.ts)
 *
 * Invariants
 *   - Sequences grow with every append; compaction and rewriting keep a record's sequence. The highest wins.
 *   - A segment is appended to by one process in one run; after a crash it is sealed as it is.
 *   - A segment is sealed only when its bytes are on the disk and its hint file is there.
 *   - The parts of a large value are placed before their commit, and a commit is durable only after them.
 *   - A delta names the sequence of the state that it changes; that state's records lie before it.
 *
 * The log knows no index: who calls it decides what is live.
 */
import { randomInt } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../durable-file.ts';
import { KvcacheError } from '../../errors.ts';
import { logSyncIntervalMs, segmentRecordsMax } from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { Entry, JournalPosition, JournalWrite, LentEntry, Space } from '../journal.ts';
import type { SegmentSource, SegmentSummary } from '../segment.ts';
import { chainBehind } from './chain.ts';
import { createFile, type FileOperations, untilRoom } from './files.ts';
import { LiveRecords } from './live.ts';
import { LogWorker } from './log-worker-client.ts';
import type { Part } from './parts.ts';
import {
  chunkPlacements,
  entryOf,
  groupFlags,
  markerOf,
  needsParts,
  type Placement,
  placementBytes,
  placementOf,
  writeOf,
} from './placement.ts';
import { type RecordKind, recordKinds } from './record.ts';
import { SegmentFile } from './segment-file.ts';
import { encodeSegmentHeader, segmentHeaderBytes } from './segment-header.ts';
import { SegmentState } from './segment-state.ts';
import { SegmentWriter } from './segment-writer.ts';

export type FsyncPolicy = 'always' | 'everysec' | 'never';

export interface LogOptions {
  readonly folder: string;
  readonly fsync: FsyncPolicy;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly clock: Clock;
  readonly files: FileOperations;
  /** The topology epoch that records carry. */
  readonly epoch: () => number;
}

export class Log implements SegmentSource {
  readonly worker = new LogWorker();
  readonly segments = new Map<number, SegmentState>();
  readonly live = new LiveRecords(this.segments);
  readonly #options: LogOptions;
  readonly #folder: string;
  #incarnation = 1;
  #nextId = 1;
  #sequence = 0;
  #newestMs = 0;
  #active: SegmentState | undefined;
  #sealing = new Set<Promise<void>>();
  #stopSyncing: (() => void) | undefined;
  #fault: KvcacheError | undefined;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#folder = join(options.folder, 'segments');
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Why nothing can be appended any more, until a new process recovers. A full disk is no such fault: it passes. */
  get fault(): KvcacheError | undefined {
    return this.#fault;
  }

  get active(): SegmentState | undefined {
    return this.#active;
  }

  /** The larger of wall clock and the newest record's time: the time by which records expire. */
  now(): number {
    return Math.max(this.#options.clock.now(), this.#newestMs);
  }

  pathOf(id: number): string {
    return join(this.#folder, `${String(id).padStart(12, '0')}.log`);
  }

  hintPathOf(id: number): string {
    return join(this.#folder, `${String(id).padStart(12, '0')}.hint`);
  }

  /** Recovery has seen this much; new records come behind. */
  observe(sequence: number, writtenAtMs: number): void {
    if (sequence > this.#sequence) this.#sequence = sequence;
    if (writtenAtMs > this.#newestMs) this.#newestMs = writtenAtMs;
  }

  reserveId(id = this.#nextId): number {
    if (id >= this.#nextId) this.#nextId = id + 1;
    return id;
  }

  /** The number of the next segment that is begun. */
  get nextSegment(): number {
    return this.#nextId;
  }

  newIdentity(): { id: number; incarnation: number; salt: number } {
    return { id: this.reserveId(), incarnation: this.#incarnation, salt: randomInt(1, 2 ** 32 - 1) };
  }

  /** Opens the first segment to append to. Recovery is done by now. */
  start(incarnation: number): void {
    this.#incarnation = incarnation;
    this.#openSegment();
    if (this.#options.fsync === 'everysec') this.#syncEverySecond();
  }

  /** The incarnation of segments opened from now on, when the takeover in Blob came after `start`. */
  set incarnation(value: number) {
    this.#incarnation = value;
  }

  // ── Appending ───────────────────────────────────────────────────────────────────────────────────────────────────

  admit(bytes: number): Promise<void> | undefined {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return this.#active!.writer!.admit(bytes);
  }

  append(writes: readonly JournalWrite[]): { entries: (Entry | undefined)[]; position: JournalPosition } {
    this.#assertOpen();
    const firstSequence = this.#sequence + 1;
    this.#sequence += writes.length;
    const placements = writes.map((write, index) => this.#placementOf(write, firstSequence + index));
    this.#makeRoom(placements);
    const entries = writes.map((write, index) =>
      this.#enter(write, placements[index]!, groupFlags(index, writes.length)),
    );
    return { entries, position: this.position() };
  }

  /** Appends a write of a small value, and writes it over the live entry of its key. */
  overwrite(write: JournalWrite, entry: LentEntry): JournalPosition {
    this.#assertOpen();
    this.#sequence += 1;
    const placement = placementOf(write, this.#sequence, undefined);
    this.#makeRoom([placement]);
    this.live.overwrite(entry, placement.sequence, placement.bodyBytes, this.#place(placement, 0));
    return this.position();
  }

  /** A tombstone that says the key was evicted, not deleted. */
  appendEvicted(entry: Entry): void {
    this.#appendMarker(recordKinds.evicted, entry.space, entry.slot, Buffer.from(entry.key, 'latin1'));
  }

  /** Makes every older record of the slot void. */
  appendSlotDrop(slot: number): void {
    this.#appendMarker(recordKinds.slotDrop, 0, slot, Buffer.alloc(0));
  }

  /**
   * Writes a live value once more in one record, with the sequence it has, and moves the entry there, its bytes with it.
   * The caller has checked that it is still live. With `state`, an earlier state of the entry's chain, whose value this
   * is: then the deltas that came after it stay behind the new base.
   */
  rewrite(entry: Entry, meta: Buffer | undefined, body: Buffer, state: Entry = entry): void {
    this.#assertOpen();
    const { live } = this;
    const write = writeOf(state, meta, body, live.isAway(entry));
    const placement = this.#placementOf(write, state.sequence);
    const { parts } = placement;
    this.#makeRoom([placement]);
    const at = this.#place(placement, 0);
    live.count(entry, -1);
    entry.segment = at.segment;
    entry.offset = at.offset;
    entry.recordBytes = at.recordBytes;
    entry.chain = chainBehind(entry, state.sequence, body.byteLength);
    // A folded value may have become shorter. Of one that is away, these bytes are not the value.
    if (!live.isAway(entry)) entry.bodyBytes += body.byteLength - state.bodyBytes;
    if (parts === undefined) live.parts.delete(entry);
    else live.parts.set(entry, parts);
    live.count(entry, 1);
  }

  /** A tombstone carried forward: older records of its key may still lie in some segment. */
  rewriteTombstone(space: Space, slot: number, sequence: number, key: Buffer, kind: RecordKind): void {
    this.#assertOpen();
    const placement = markerOf(kind, space, slot, sequence, key);
    this.#makeRoom([placement]);
    this.#place(placement, 0);
  }

  /** The end of everything appended so far. */
  position(): JournalPosition {
    return { segment: this.#active!.id, end: this.#active!.bytes };
  }

  // ── Durability ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when everything up to the position is in its file, where Blob can read it. */
  async written(position: JournalPosition): Promise<void> {
    if (this.#sealing.size > 0) await Promise.all(this.#sealing);
    await this.segments.get(position.segment)?.writer?.written(position.end);
  }

  /** Resolves when everything up to the position is on the disk. */
  async synced(position: JournalPosition): Promise<void> {
    // A commit may stand in a younger segment than its parts: the older ones are sealed, hence synced, first.
    if (this.#sealing.size > 0) await Promise.all(this.#sealing);
    const segment = this.segments.get(position.segment);
    await segment?.named;
    await segment?.writer?.synced(position.end);
  }

  /** Ends the open segment and begins the next one. Resolves when the old one is sealed. */
  roll(): Promise<void> {
    const old = this.#active!;
    if (old.isEmpty) return Promise.resolve();
    this.#openSegment();
    const sealed = this.#seal(old).finally(() => this.#sealing.delete(sealed));
    this.#sealing.add(sealed);
    return sealed;
  }

  /** Rolls if the open segment is older than its bound and holds something. */
  rollIfOld(): void {
    const active = this.#active;
    if (active === undefined || active.isEmpty) return;
    if (this.#options.clock.now() - active.createdAtMs >= this.#options.segmentAgeMs) this.rollInBackground();
  }

  /** `roll` for callers that need not wait; a fault shows at the writer. */
  rollInBackground(): void {
    this.roll().catch((error: unknown) => this.#failed(error));
  }

  /** Writes, syncs and seals what is open, and ends. With a reason, gives up on unwritten bytes instead. */
  async close(reason?: KvcacheError): Promise<void> {
    this.#stopSyncing?.();
    this.#fault = reason ?? new KvcacheError('SHUTDOWN', 'the log is closed');
    const active = this.#active;
    if (reason !== undefined) active?.writer?.abandon(reason);
    else if (active !== undefined && !active.isEmpty) await this.#seal(active);
    else if (active !== undefined) await this.#discardEmpty(active);
    await Promise.allSettled(this.#sealing);
    await this.worker.close();
  }

  /** Closes every file. Reads end first. */
  async closeFiles(): Promise<void> {
    await Promise.all([...this.segments.values()].map(async (segment) => segment.file?.close()));
  }

  // ── Reading and removing ────────────────────────────────────────────────────────────────────────────────────────

  localSegments(): readonly SegmentSummary[] {
    const local = [...this.segments.values()].filter((segment) => segment.file !== undefined && !segment.isSuperseded);
    return local.map((segment) => segment.summary()).sort((a, b) => a.id - b.id);
  }

  /** Bytes of segment files on this disk, the open one included. */
  localBytes(): number {
    let sum = 0;
    for (const segment of this.segments.values()) if (segment.file !== undefined) sum += segment.bytes;
    return sum;
  }

  async read(id: number, offset: number, length: number): Promise<Buffer> {
    const segment = this.segments.get(id);
    if (segment?.file === undefined) throw new KvcacheError('UNAVAILABLE', `segment ${id} is not on this disk`);
    if (segment.writer !== undefined) await segment.writer.written(offset + length);
    return segment.file.read(offset, length);
  }

  readHint(id: number): Promise<Buffer> {
    return readFile(this.hintPathOf(id));
  }

  /** Gives up the file of a segment whose bytes are safe in Blob; the hint stays. */
  async dropFile(segment: SegmentState): Promise<void> {
    const file = segment.file;
    segment.file = undefined;
    await file?.remove();
  }

  /** Removes a segment from this disk altogether. */
  async remove(segment: SegmentState): Promise<void> {
    await this.dropFile(segment);
    await rm(this.hintPathOf(segment.id), { force: true });
    await syncFolder(this.#folder);
    this.segments.delete(segment.id);
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #assertOpen(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  #openSegment(): void {
    const identity = this.newIdentity();
    const createdAtMs = this.#options.clock.now();
    const path = this.pathOf(identity.id);
    const fd = createFile(path, encodeSegmentHeader({ ...identity, createdAtMs }));
    const segment = new SegmentState(identity, createdAtMs, segmentHeaderBytes);
    segment.file = new SegmentFile(path, fd);
    const syncEveryWrite = this.#options.fsync === 'always';
    segment.writer = new SegmentWriter(fd, segmentHeaderBytes, identity.salt, this.#options.files, syncEveryWrite);
    segment.named = syncFolder(this.#folder);
    segment.named.catch((error: unknown) => this.#failed(error));
    this.segments.set(segment.id, segment);
    this.#active = segment;
  }

  /** Rolls first if these records, which must stay together, do not fit into the open segment. */
  #makeRoom(placements: readonly Placement[]): void {
    const active = this.#active!;
    if (active.isEmpty) return;
    const isFull = active.bytes + placementBytes(placements) > this.#options.segmentBytes;
    if (isFull || active.records + placements.length > segmentRecordsMax) this.rollInBackground();
  }

  /** The record that a write becomes; of a large value, the chunks are placed. */
  #placementOf(write: JournalWrite, sequence: number): Placement {
    return placementOf(write, sequence, this.#placeChunks(write, sequence));
  }

  /** Places a record and counts the entry that it makes, if it makes one. */
  #enter(write: JournalWrite, placement: Placement, flags: number): Entry | undefined {
    const entry = entryOf(write, placement, this.#place(placement, flags));
    if (entry === undefined) return undefined;
    const parts = write.deltaOf === undefined ? placement.parts : this.live.parts.get(write.deltaOf);
    this.live.enter(entry, parts, placement.kind === recordKinds.away);
    return entry;
  }

  #placeChunks(write: JournalWrite, sequence: number): Part[] | undefined {
    if (!needsParts(write)) return undefined;
    const parts: Part[] = [];
    for (const chunk of chunkPlacements(write, sequence)) {
      this.#makeRoom([chunk]);
      parts.push(this.#place(chunk, 0));
    }
    return parts;
  }

  #place(placement: Placement, flags: number): Part {
    const writtenAtMs = this.now();
    if (writtenAtMs > this.#newestMs) this.#newestMs = writtenAtMs;
    return this.#active!.place(placement, { flags, epoch: this.#options.epoch(), writtenAtMs });
  }

  #appendMarker(kind: RecordKind, space: Space, slot: number, key: Buffer): void {
    this.#sequence++;
    this.rewriteTombstone(space, slot, this.#sequence, key, kind);
  }

  async #seal(segment: SegmentState): Promise<void> {
    const writer = segment.writer!;
    await untilRoom(() => writer.synced(writer.bytes));
    const totals = segment.hint!.totals;
    const chunks = segment.hint!.chunks();
    const { id, incarnation, salt } = segment;
    const task = { path: this.hintPathOf(id), identity: { id, incarnation, salt }, chunks, totals };
    await untilRoom(async () => {
      segment.hintBytes = await this.worker.hint(task);
    });
    segment.totals = totals;
    segment.isSealed = true;
    segment.writer = undefined;
    segment.hint = undefined;
  }

  async #discardEmpty(segment: SegmentState): Promise<void> {
    this.segments.delete(segment.id);
    await segment.file?.remove();
  }

  #syncEverySecond(): void {
    const tick = (): void => {
      const writer = this.#active?.writer;
      // The writer keeps the fault for the next writer; nobody waits for this sync.
      if (writer !== undefined) writer.synced(writer.bytes).catch(() => undefined);
      this.#stopSyncing = this.#options.clock.after(logSyncIntervalMs, tick);
    };
    this.#stopSyncing = this.#options.clock.after(logSyncIntervalMs, tick);
  }

  #failed(error: unknown): void {
    this.#fault ??= new KvcacheError('DISKFULL', `the log cannot go on: ${String(error)}`, { cause: error });
  }
}
