/**
 * What the command families share: live entries, values from RAM or below, and writes.
 *
 * A write is a group of changes: appended to the journal as one, then installed in the index, all in the same tick, so
 * that no reader sees half a group. Reads see the last write that was applied. Without a journal everything lives in
 * the hot tier, and what falls out of it is deleted, as a cache does.
 */
import { type Acknowledgement, acknowledgements, type CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { isCollection, storedTypes } from '../../commands/stored-type.ts';
import { isText, textOf } from '../../commands/typed-text.ts';
import { KvcacheError } from '../../errors.ts';
import { baseInTickBytesMax, oftenReadWindowMs } from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { HotTier } from '../hot/hot-tier.ts';
import {
  type Condense,
  Entry,
  type Journal,
  type JournalPosition,
  type LentEntry,
  type Space,
  spaceOfBlocks,
  type StoredValue,
} from '../journal.ts';
import { andThen, type Answer } from './answer.ts';
import { wrongType } from './arguments.ts';
import { type Change, deletionOf, isSmallText, loggedBytes } from './change.ts';
import { readCold } from './cold-read.ts';
import { IndexBound } from './index-bound.ts';
import { isLong } from './chain-length.ts';
import { KeyGate } from './key-gate.ts';
import { KeyVersions } from './key-versions.ts';
import type { KeyIndex } from './key-index.ts';
import type { KeyspaceOptions } from './keyspace-options.ts';
import { LastUse } from './last-use.ts';
import { WriteQueue } from './write-queue.ts';

export class Keyspace {
  readonly clock: Clock;
  readonly index: KeyIndex;
  readonly hot: HotTier;
  readonly journal: Journal | undefined;
  readonly queue: WriteQueue;
  readonly versions: KeyVersions;
  readonly lastUse: LastUse;
  /** The node of the vector clocks that are given here. */
  readonly nodeName: string;
  readonly counters = { hotHits: 0, coldHits: 0, misses: 0, expiredOnAccess: 0, expiredByWheel: 0 };
  readonly #options: KeyspaceOptions;
  readonly #gate = new KeyGate();
  readonly #indexBound: IndexBound;
  /** Records that could not be read when last tried: writing such a block again is no repetition. */
  readonly #unreadable = new WeakSet<Entry>();
  #observedMs = 0;
  #sequence = 0;

  constructor(clock: Clock, index: KeyIndex, hot: HotTier, journal: Journal | undefined, options: KeyspaceOptions) {
    this.clock = clock;
    this.index = index;
    this.hot = hot;
    this.journal = journal;
    this.queue = new WriteQueue(journal, clock);
    this.versions = new KeyVersions(this);
    this.lastUse = new LastUse(clock);
    this.nodeName = options.nodeName ?? 'node-0';
    this.#options = options;
    this.#indexBound = new IndexBound(index, hot, options.indexBytesMax ?? Infinity);
  }

  /** The present for expiry: never before the newest record, so that a clock set back revives nothing. */
  now(): number {
    return Math.max(this.clock.now(), this.#observedMs);
  }

  observeTime(timeMs: number): void {
    this.#observedMs = Math.max(this.#observedMs, timeMs);
  }

  /** The live, unexpired entry. */
  live(space: Space, slot: number, name: string): Entry | undefined {
    return this.#unexpired(this.index.findInSlot(space, slot, name));
  }

  /** The same of a plain key, as it is in this moment: for those who look at it and read it at once. */
  glance(slot: number, name: string): LentEntry | undefined {
    return this.#unexpired(this.index.glance(slot, name));
  }

  #unexpired<Known extends LentEntry>(entry: Known | undefined): Known | undefined {
    if (entry === undefined || !this.isExpired(entry)) return entry;
    this.counters.expiredOnAccess += 1;
    this.forget(entry.keep());
    return undefined;
  }

  isExpired(entry: LentEntry): boolean {
    return entry.expireAtMs !== 0 && entry.expireAtMs <= this.now();
  }

  /** Takes a live entry out of index, wheel and RAM, and lets its record become garbage. */
  forget(entry: Entry): void {
    this.index.remove(entry);
    this.journal?.release(entry);
  }

  /** The value of a key, at once from RAM, or a promise of it; undefined if there is none. */
  read(space: Space, slot: number, name: string): Answer<StoredValue | undefined> {
    return this.readEntry(this.live(space, slot, name));
  }

  /** What text doors read of a plain key: undefined if there is none, WRONGTYPE if it is no text. */
  readText(slot: number, name: string): Answer<Buffer | ReplyError | undefined> {
    const entry = this.glance(slot, name);
    // Whatever its size, a collection is not read to be refused.
    if (entry !== undefined && !isText(entry.type)) return wrongType;
    return andThen(this.readEntry(entry), textOfValue);
  }

  /** The value of an entry that is live in this moment, and a miss if there is none. */
  readEntry(entry: LentEntry | undefined): Answer<StoredValue | undefined> {
    if (entry === undefined) {
      this.counters.misses += 1;
      return undefined;
    }
    // Before this read is noted as one itself.
    const isReadOften = this.lastUse.wasRead(entry, oftenReadWindowMs);
    this.lastUse.noteRead(entry);
    const value = this.hot.get(entry);
    if (value !== undefined) {
      this.counters.hotHits += 1;
      return value;
    }
    return this.#readBelow(entry.keep(), isReadOften);
  }

  /** The value of a live entry for internal use: not counted as a hit or a use, and it brings nothing into RAM. */
  peek(entry: Entry): Answer<StoredValue | undefined> {
    const value = this.isReadAsStored(entry) ? undefined : this.hot.peek(entry);
    if (value !== undefined) return value;
    if (entry.type !== storedTypes.versioned) return readCold(this, entry);
    return readCold(this, entry).then((read) => {
      if (read !== undefined) this.versions.noteRead(entry, read);
      return read;
    });
  }

  /** Of a large collection the bytes are read from below rather than made of its object in one turn of the event loop. */
  isReadAsStored(entry: Entry): boolean {
    return this.journal !== undefined && entry.bodyBytes > baseInTickBytesMax && isCollection(entry.type);
  }

  /** Marks whether the record could be read when last tried. */
  noteReadable(entry: Entry, isReadable: boolean): void {
    if (isReadable) this.#unreadable.delete(entry);
    else this.#unreadable.add(entry);
  }

  /** True if the value is on this shard and could be read when last tried. */
  isReadable(entry: Entry): boolean {
    return !this.#unreadable.has(entry) && this.journal?.isAway(entry) !== true;
  }

  /** Why the acknowledgement that the caller wants cannot be had, if so. */
  acknowledgementFault(context: CommandContext): ReplyError | undefined {
    const level = this.#acknowledgementOf(context);
    if (this.journal !== undefined || level === 'memory') return undefined;
    return new ReplyError('ERR', `acknowledgement '${level}' cannot be had: this shard keeps its data in RAM only`);
  }

  /**
   * Runs `apply`, which writes to these plain keys, at its turn: after all earlier writes of the same keys, and when
   * the log has room for `bytes`. At once if nothing is in the way.
   */
  write(names: readonly string[], bytes: number, context: CommandContext, apply: () => Answer<Reply>): Answer<Reply> {
    const fault = this.acknowledgementFault(context);
    if (fault !== undefined) return fault;
    const reading = this.index.hasVersions ? this.versions.bringToHand(names) : undefined;
    if (reading !== undefined) return reading.then(() => this.#writeAfterOthers(names, bytes, context, apply));
    if (this.#gate.isOpen || !this.#gate.holdsAny(names)) return this.queue.run(bytes, context, apply);
    return this.#writeAfterOthers(names, bytes, context, apply);
  }

  /** True if a write of these plain keys would be done at once, as far as other writes are concerned. */
  isIdle(names: readonly string[]): boolean {
    return this.queue.length === 0 && (this.#gate.isOpen || !this.#gate.holdsAny(names));
  }

  /** Holds plain keys against later writes of them, for a change that may have to wait for a read. */
  holdKeys(names: readonly string[]): { before: Promise<void> | undefined; release: () => void } {
    return this.#gate.hold(names);
  }

  /** Appends and installs the changes as one group; answers `reply` when the group is as safe as asked. */
  commit(changes: readonly Change[], context: CommandContext, reply: Reply): Answer<Reply> {
    const position = this.#apply(this.versions.carry(changes));
    return position === undefined ? reply : this.whenSafe(position, context, reply);
  }

  /**
   * Evicts up to `count` keys if the index is above its bound. With a journal their deletion is written: a later
   * delete by a user would not find them, and recovery would bring them back.
   */
  trimIndex(count: number, changes: readonly Change[] = []): void {
    if (!this.#indexBound.isExceeded) return;
    // What is about to be changed stays: a delta of a key that is gone would mean nothing.
    const kept = new Set(changes.map(({ deltaOf }) => deltaOf));
    const victims = this.#indexBound.victims(count).filter((entry) => !kept.has(entry));
    if (victims.length > 0) this.journal?.append(victims.map(deletionOf));
    for (const entry of victims) {
      this.index.remove(entry, 'ram');
      this.journal?.release(entry);
    }
  }

  /** After a delta: has storage make one record of a chain that has become long. */
  foldIfLong({ space, slot, name }: Change, condense?: Condense): void {
    const entry = this.index.findInSlot(space, slot, name);
    if (entry !== undefined && isLong(entry.chain, 1)) this.journal?.fold(entry, condense);
  }

  /** Answers `reply` when the position is as safe as asked. */
  whenSafe(position: JournalPosition, context: CommandContext, reply: Reply): Answer<Reply> {
    const level = this.#acknowledgementOf(context);
    if (level === 'memory') return reply;
    return this.journal!.durable(position, level).then(() => reply, replyErrorOf);
  }

  /** What `changes` take of the log, for admission. */
  bytesOf(changes: readonly Change[]): number {
    return changes.reduce((bytes, change) => bytes + loggedBytes(change), 0);
  }

  #acknowledgementOf(context: CommandContext): Acknowledgement {
    const wanted = context.acknowledgement ?? this.#options.acknowledgement;
    const { minimumAcknowledgement } = this.#options;
    if (minimumAcknowledgement === 'memory') return wanted;
    return acknowledgements.indexOf(wanted) < acknowledgements.indexOf(minimumAcknowledgement)
      ? minimumAcknowledgement
      : wanted;
  }

  async #writeAfterOthers(
    names: readonly string[],
    bytes: number,
    context: CommandContext,
    apply: () => Answer<Reply>,
  ): Promise<Reply> {
    const { before, release } = this.#gate.hold(names);
    try {
      await before;
      // Later writes of these keys may go on once this one is applied, before it is durable.
      return await this.queue.run(bytes, context, () => {
        release();
        return apply();
      });
    } finally {
      release();
    }
  }

  /** True if scans may show the slot's keys. */
  shows(slot: number): boolean {
    return this.#options.serving?.serves(slot) ?? true;
  }

  /** Plain keys that are this shard's. */
  countKeys(): number {
    const departing = this.#options.serving?.departing() ?? [];
    return departing.reduce((count, slot) => count - this.index.keysOfSlot(slot), this.index.keys);
  }

  /**
   * Puts a record that hand-over has appended into the index: an away record, or with `value` the one that takes its
   * place. `isWarm`: the value gets a copy in RAM, as it had where it comes from.
   */
  installArrived(entry: Entry, value: StoredValue | undefined, isWarm: boolean): void {
    const previous = this.index.replace(entry);
    if (previous === undefined) this.lastUse.noteUse(entry);
    else entry.lastUse = previous.lastUse;
    const isHot = isWarm || (previous !== undefined && this.hot.has(previous));
    if (previous !== undefined) {
      this.hot.drop(previous);
      this.journal?.release(previous);
    }
    if (value !== undefined && isHot && this.#isKeptHot(entry)) this.hot.put(entry, value);
  }

  #apply(changes: readonly Change[]): JournalPosition | undefined {
    this.#assertServed(changes);
    // Two for each: the index shrinks to its bound also if it began above it.
    this.trimIndex(changes.length * 2, changes);
    const only = changes.length === 1 ? changes[0]! : undefined;
    if (only !== undefined && isSmallText(only)) {
      const entry = this.index.glance(only.slot, only.name);
      if (entry?.isOverwritable === true) return this.#overwrite(only, entry);
    }
    if (this.journal === undefined) {
      for (const change of changes) this.#install(change, this.#entryInMemory(change));
      return undefined;
    }
    const { entries, position } = this.journal.append(changes);
    for (const [index, change] of changes.entries()) this.#install(change, entries[index]);
    return position;
  }

  #overwrite(change: Change, entry: LentEntry): JournalPosition | undefined {
    const body = change.body!;
    const position = this.journal?.overwrite(change, entry);
    if (position === undefined) entry.overwrite(++this.#sequence, body.byteLength, 0, 0, 0);
    this.lastUse.noteUse(entry);
    if (this.#isKeptHot(entry)) this.hot.put(entry, { type: entry.type, meta: undefined, body });
    else this.hot.drop(entry);
    return position;
  }

  /** The last look before a write is applied: its slots may have gone while it waited. */
  #assertServed(changes: readonly Change[]): void {
    const { serving } = this.#options;
    if (serving === undefined) return;
    for (const { slot } of changes) {
      if (serving.serves(slot)) continue;
      throw new KvcacheError('MOVED', `slot ${slot} has gone to another shard; nothing was written`);
    }
  }

  #entryInMemory(change: Change): Entry | undefined {
    if (change.body === undefined) return undefined;
    this.#sequence += 1;
    const { space, name, slot, expireAtMs, body, deltaOf } = change;
    const bodyBytes = body.byteLength + (deltaOf?.bodyBytes ?? 0);
    return new Entry(
      space,
      change.type ?? storedTypes.bytes,
      name,
      slot,
      this.#sequence,
      expireAtMs,
      bodyBytes,
      0,
      0,
      0,
    );
  }

  #install(change: Change, entry: Entry | undefined): void {
    if (entry === undefined) {
      const previous = this.index.findInSlot(change.space, change.slot, change.name);
      if (previous !== undefined) this.forget(previous);
      return;
    }
    this.lastUse.noteUse(entry);
    if (change.chainIndex !== undefined && change.chainIndex >= 0) entry.chainIndex = change.chainIndex;
    const previous = this.index.replace(entry);
    if (previous !== undefined) {
      // An object stays, and so does a value of which only the expiry changes.
      if (change.apply !== undefined || change.deltaOf === previous) this.hot.move(previous, entry);
      this.journal?.release(previous);
    }
    if (change.apply !== undefined) this.hot.keep(entry, change.apply());
    else if (change.deltaOf === undefined && this.#isKeptHot(entry))
      this.hot.put(entry, { type: entry.type, meta: change.meta, body: change.body! }, previous, change.isSole);
    else if (previous !== undefined) this.hot.drop(previous);
    if (isSmallText(change)) entry.allowOverwriting();
  }

  async #readBelow(entry: Entry, isReadOften: boolean): Promise<StoredValue | undefined> {
    const value = await readCold(this, entry);
    if (value === undefined) this.counters.misses += 1;
    else this.counters.coldHits += 1;
    // Only what is still the live record gets a copy.
    const current = this.index.findInSlot(entry.space, entry.slot, entry.key);
    if (value !== undefined && current?.sequence === entry.sequence && !this.hot.has(current)) {
      if (this.#isKeptHot(current) || isReadOften) this.hot.put(current, value);
    }
    return value;
  }

  #isKeptHot(entry: LentEntry): boolean {
    if (this.journal === undefined || entry.space === spaceOfBlocks) return true;
    // The bytes of a collection are no copy to work on: its object is kept by whoever makes it.
    if (isCollection(entry.type)) return false;
    return entry.bodyBytes <= this.#options.diskThresholdBytes;
  }
}

function textOfValue(value: StoredValue | undefined): Buffer | ReplyError | undefined {
  if (value === undefined) return undefined;
  return textOf(value.type ?? storedTypes.bytes, value.body) ?? wrongType;
}
