/**
 * Collections in the keyspace: found as objects in RAM, written as deltas.
 *
 *   read    entry ─▶ object in the hot tier ─▶ answered in the caller's tick
 *                 └▶ base and deltas from below, applied step by step ─▶ object, kept hot
 *   write   plan (what to do, and the reply) ─▶ log ─▶ the same operations applied to the object ─▶ reply
 *
 * A command plans its operations without touching the object. They are appended to the log, and only what the log has
 * taken is applied, in the same tick, by the code that applies them after a restart. So object and log never differ.
 *
 * Most writes append a delta. The whole collection is written where that costs about as much (small ones), and where
 * deltas have become many or as large as their base; for a large one storage makes the new base from what it holds, step
 * by step, so that no command pays for it. A base per 64 deltas alone, as first planned, would write 16 MiB for every 64th change of
 * a collection of 16 MiB; so a large base has more deltas, one for every 16 KiB of it and at most 1,024.
 *
 * As for every read-modify-write, keys are held while a value comes from below (update.ts). Without a journal the object
 * alone is the value. Rejected: the encoded bytes as what commands work on; a hash of a megabyte would be parsed for
 * every HGET.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { CollectionType } from '../../commands/stored-type.ts';
import {
  baseInTickBytesMax,
  coldReadAttemptsMax,
  collectionBytesMax,
  deltaBytesMax,
  overdueBaseRatio,
  wholeBaseBytesMax,
} from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import { Entry, spaceOfKeys } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault, wrongType } from './arguments.ts';
import { isLong } from './chain-length.ts';
import type { Change } from './change.ts';
import { keyChange } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { applyAll, applyInSteps, type Collection, encodeInSteps } from './types/collection.ts';

/** What a command makes of one of its keys. */
export interface Edit {
  readonly operations: Buffer;
  /** By how much the weight grows. */
  readonly growth: number;
  /** Elements that are left: with none the key is gone. */
  readonly remaining: number;
}

export interface Plan {
  readonly reply: Reply;
  /** By key; undefined: the key stays as it is. */
  readonly edits: readonly (Edit | undefined)[];
}

/** What there is of a key: an object, nothing, or a value of another type. */
export type Found<Type extends Collection> = Type | ReplyError | undefined;

export interface CollectionsOptions<Type extends Collection> {
  /** A type that may be read where the first is meant, as sets are where sorted sets are combined. */
  readonly other?: Kind<Type>;
  /** False: only looked at, which is no use of a key. */
  readonly isUse?: boolean;
}

interface Kind<Type extends Collection> {
  readonly type: CollectionType;
  readonly create: () => Type;
}

export class Collections<Type extends Collection> {
  readonly #keyspace: Keyspace;
  /** The types that are read; the first is the one that is written. */
  readonly #kinds: readonly Kind<Type>[];
  readonly #isUse: boolean;
  readonly #loading = new Map<Entry, Promise<Type | undefined>>();

  constructor(
    keyspace: Keyspace,
    type: CollectionType,
    create: () => Type,
    { other, isUse = true }: CollectionsOptions<Type> = {},
  ) {
    this.#keyspace = keyspace;
    this.#kinds = other === undefined ? [{ type, create }] : [{ type, create }, other];
    this.#isUse = isUse;
  }

  /** Answers from the key's object, or undefined if there is no key. */
  read(key: Buffer, answer: (object: Type | undefined) => Reply): Answer<Reply> {
    return this.readAll([key], ([found]) => (found instanceof ReplyError ? found : answer(found)));
  }

  /** The same for several keys, in their order. */
  readAll(keys: readonly Buffer[], answer: (found: readonly Found<Type>[]) => Reply): Answer<Reply> {
    for (const key of keys) {
      const fault = keyFault(key);
      if (fault !== undefined) return fault;
    }
    const found = keys.map((key) => this.#inRam(key));
    const { counters } = this.#keyspace;
    for (const each of found) {
      if (each === undefined) counters.misses += 1;
      else if (!(each instanceof Entry)) counters.hotHits += 1;
    }
    return isAtHand(found) ? answer(found) : this.#readBelow(keys, answer);
  }

  /** Plans a change of one key, and does it at its turn. `bytes` is about what it appends. */
  write(
    key: Buffer,
    bytes: number,
    context: CommandContext,
    plan: (object: Type | undefined) => Reply | { readonly reply: Reply; readonly edit: Edit },
  ): Answer<Reply> {
    return this.writeAll([key], bytes, context, ([found]) => {
      if (found instanceof ReplyError) return found;
      const planned = plan(found);
      return isPlain(planned) ? planned : { reply: planned.reply, edits: [planned.edit] };
    });
  }

  /** The same for several keys, as one group. A key that comes twice is the same object twice. */
  writeAll(
    keys: readonly Buffer[],
    bytes: number,
    context: CommandContext,
    plan: (found: readonly Found<Type>[]) => Reply | Plan,
  ): Answer<Reply> {
    const keyspace = this.#keyspace;
    const fault = keyspace.acknowledgementFault(context);
    if (fault !== undefined) return fault;
    for (const key of keys) {
      const reason = keyFault(key);
      if (reason !== undefined) return reason;
    }
    const names = keys.map(nameOf);
    if (!keyspace.isIdle(names)) return this.#writeInTurn(keys, names, bytes, context, plan);
    const found = keys.map((key) => this.#inRam(key));
    if (!isAtHand(found) || !keyspace.queue.admitsNow(bytes)) {
      return this.#writeInTurn(keys, names, bytes, context, plan);
    }
    return this.#perform(keys, found, context, plan);
  }

  /** The object, nothing, WRONGTYPE, or the entry if its value is not in RAM. */
  #inRam(key: Buffer): Found<Type> | Entry {
    const { hot, lastUse } = this.#keyspace;
    const entry = this.#keyspace.live(spaceOfKeys, slotOf(key), nameOf(key));
    if (entry === undefined) return undefined;
    const kind = this.#kindOf(entry);
    if (kind === undefined) return wrongType;
    if (this.#isUse) lastUse.noteRead(entry);
    const object = this.#isUse ? hot.object(entry) : hot.peekObject(entry);
    if (object !== undefined) return object as Type;
    if (this.#keyspace.journal !== undefined || !hot.has(entry)) return entry;
    // Without a journal a copy of a collection is stored as bytes, until somebody works on it.
    const made = kind.create();
    applyAll(made, hot.get(entry)!.body);
    hot.keep(entry, made);
    return made;
  }

  async #readBelow(keys: readonly Buffer[], answer: (found: readonly Found<Type>[]) => Reply): Promise<Reply> {
    const loaded = new Map<Entry, Type>();
    for (let attempt = 1; attempt <= coldReadAttemptsMax; attempt++) {
      const found = keys.map((key) => this.#inRam(key)).map((each) => objectOf(each, loaded));
      if (isAtHand(found)) {
        this.#keyspace.counters.coldHits += 1;
        return answer(found);
      }
      await this.#loadAll(found, loaded);
    }
    return new ReplyError('TRYAGAIN', 'the key changed again and again while its value was read');
  }

  async #writeInTurn(
    keys: readonly Buffer[],
    names: readonly string[],
    bytes: number,
    context: CommandContext,
    plan: (found: readonly Found<Type>[]) => Reply | Plan,
  ): Promise<Reply> {
    const { before, release } = this.#keyspace.holdKeys(names);
    const loaded = new Map<Entry, Type>();
    try {
      await before;
      for (let attempt = 1; attempt <= coldReadAttemptsMax; attempt++) {
        let missing: readonly (Found<Type> | Entry)[] = [];
        const reply = await this.#keyspace.queue.run<Reply | undefined>(bytes, context, () => {
          const found = keys.map((key) => this.#inRam(key)).map((each) => objectOf(each, loaded));
          if (!isAtHand(found)) {
            missing = found;
            return undefined;
          }
          // Later writes of these keys may go on once this one is applied, before it is durable.
          release();
          return this.#perform(keys, found, context, plan);
        });
        if (reply !== undefined) return reply;
        await this.#loadAll(missing, loaded);
      }
      return new ReplyError('TRYAGAIN', 'the key changed again and again while it was read; nothing was written');
    } finally {
      release();
    }
  }

  async #loadAll(found: readonly (Found<Type> | Entry)[], loaded: Map<Entry, Type>): Promise<void> {
    for (const entry of found) {
      if (!(entry instanceof Entry)) continue;
      const object = await this.#load(entry);
      if (object !== undefined) loaded.set(entry, object);
    }
  }

  /** Concurrent loads of one entry share one. Undefined if it was not the live one any more. */
  #load(entry: Entry): Promise<Type | undefined> {
    const underWay = this.#loading.get(entry);
    if (underWay !== undefined) return underWay;
    const loading = this.#loadBelow(entry).finally(() => this.#loading.delete(entry));
    this.#loading.set(entry, loading);
    return loading;
  }

  async #loadBelow(entry: Entry): Promise<Type | undefined> {
    const keyspace = this.#keyspace;
    const isLive = (): boolean => keyspace.live(spaceOfKeys, entry.slot, entry.key) === entry;
    const value = await keyspace.peek(entry);
    if (value === undefined || !isLive()) return undefined;
    const object = this.#kindOf(entry)!.create();
    await applyInSteps(object, value.body);
    if (!isLive()) return undefined;
    // Commands of another family may have loaded it meanwhile: there is one object for all.
    const known = keyspace.hot.object(entry);
    if (known !== undefined) return known as Type;
    keyspace.hot.keep(entry, object);
    return object;
  }

  #kindOf({ type }: Entry): Kind<Type> | undefined {
    return this.#kinds.find((kind) => kind.type === type);
  }

  #perform(
    keys: readonly Buffer[],
    found: readonly Found<Type>[],
    context: CommandContext,
    plan: (found: readonly Found<Type>[]) => Reply | Plan,
  ): Answer<Reply> {
    const planned = plan(found);
    if (isPlain(planned)) return planned;
    const changes: Change[] = [];
    for (const [index, edit] of planned.edits.entries()) {
      if (edit === undefined) continue;
      const object = found[index];
      if (object instanceof ReplyError) throw new Error('a value of another type was edited');
      const change = this.#changeOf(keys[index]!, object, edit);
      if (change instanceof ReplyError) return change;
      if (change !== undefined) changes.push(change);
    }
    if (changes.length === 0) return planned.reply;
    const reply = this.#keyspace.commit(changes, context, planned.reply);
    for (const change of changes) this.#foldIfLong(change);
    return reply;
  }

  #changeOf(key: Buffer, present: Type | undefined, edit: Edit): Change | ReplyError | undefined {
    const keyspace = this.#keyspace;
    const name = nameOf(key);
    const entry = keyspace.live(spaceOfKeys, slotOf(key), name);
    if (edit.remaining === 0) return entry && keyChange(key, name, 0, undefined);
    const object = present ?? this.#kinds[0]!.create();
    const weight = object.weight + edit.growth;
    if (edit.growth > 0 && weight > collectionBytesMax) return tooLarge(weight, collectionBytesMax);
    if (edit.growth > 0 && keyspace.journal === undefined && weight > keyspace.hot.limitBytes) {
      return tooLarge(weight, keyspace.hot.limitBytes);
    }
    const change = {
      ...keyChange(key, name, entry?.expireAtMs ?? 0, edit.operations),
      type: object.type,
      apply: () => {
        applyAll(object, edit.operations);
        return object;
      },
    };
    if (keyspace.journal === undefined || entry === undefined) return change;
    if (!this.#isWritten(entry, object, edit.operations.byteLength)) return { ...change, deltaOf: entry };
    return { ...change, body: Buffer.concat([object.encode(), edit.operations]) };
  }

  /** True if the whole collection is to be written, false if a delta is. */
  #isWritten(entry: Entry, { weight }: Type, deltaBytes: number): boolean {
    if (this.#keyspace.journal!.isAway(entry)) return true;
    if (weight <= wholeBaseBytesMax || deltaBytes > deltaBytesMax) return true;
    // Of a large one storage makes the base, behind the writes; where it cannot, there is an end to waiting.
    return isLong(entry.chain, weight <= baseInTickBytesMax ? 1 : overdueBaseRatio);
  }

  #foldIfLong(change: Change): void {
    this.#keyspace.foldIfLong(change, async (body) => {
      const object = this.#kinds[0]!.create();
      await applyInSteps(object, body);
      return encodeInSteps(object);
    });
  }
}

function tooLarge(bytes: number, bytesMax: number): ReplyError {
  return new ReplyError(
    'TOOLARGE',
    `a collection of ${bytes} bytes, counted with its elements; at most ${bytesMax} fit`,
  );
}

function objectOf<Type extends Collection>(
  found: Found<Type> | Entry,
  loaded: ReadonlyMap<Entry, Type>,
): Found<Type> | Entry {
  return found instanceof Entry ? (loaded.get(found) ?? found) : found;
}

function isAtHand<Type extends Collection>(found: readonly (Found<Type> | Entry)[]): found is readonly Found<Type>[] {
  return !found.some((each) => each instanceof Entry);
}

/** True for a reply without a plan. */
function isPlain(planned: Reply | Plan | { readonly edit: Edit }): planned is Reply {
  return typeof planned !== 'object' || planned === null || !('reply' in planned);
}
