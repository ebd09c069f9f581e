/**
 * A load that keeps every key's history: writes, overwrites, deletions and expiries, with readers that judge each answer.
 *
 * A key has one writer, so its history is a sequence. Each entry says what a reader may find from then on: one state
 * after an acknowledged write; the states before and the new one after a write that failed, for it may have been done.
 * A reader that began at one entry and ended at another may have found any state of those between. Everything else is a
 * violation: a value that is gone, an older one that has come back, a deleted or expired key that is there again, a
 * read that fails although it was tried for long, a key that a scan shows twice or not at all.
 *
 * Times of expiry are known to an interval, from when the command was sent to when it was answered.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import type { KvcacheClient } from '../client/key-client.ts';
import type { Acknowledgement } from '../commands/command.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { valueOf, versionOf } from './values.ts';

export interface LedgerOptions {
  /** Tries again for as long as a key may be out of reach. */
  readonly client: KvcacheClient;
  /** Chooses what is done to which key: numbers from 0 to 1. */
  readonly random: () => number;
  /** At `memory`, a kill may take what was acknowledged a moment before. */
  readonly acknowledgement: Acknowledgement;
  /** Keys that are written once, before anything else, and then only read and scanned. */
  readonly lastingKeys?: number;
  readonly lastingBytes?: number;
}

/** What a reader may find. */
interface State {
  /** Undefined: nothing. */
  readonly version: number | undefined;
  /** It is certainly there before the one and certainly gone after the other. */
  readonly expiresFromMs: number;
  readonly expiresByMs: number;
}

interface Book {
  readonly key: string;
  readonly bytes: number;
  versions: number;
  /** The states that are possible, after each begin and each end of a write. */
  readonly history: (readonly State[])[];
}

const writerLanes = 5;
const keysPerLane = 24;
const valueBytes = [60, 3_000, 40_000] as const;
/** Many lanes share two cores with the cluster that they load. */
const pauseMs = 10;
/** Two processes look at one clock; the expiry itself is rounded to milliseconds. */
const clockSlackMs = 5;
const ttlsMs = [400, 2_000, 10_000, 600_000] as const;

const absent: State = { version: undefined, expiresFromMs: Infinity, expiresByMs: Infinity };

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #books = new Map<string, Book>();
  readonly #lasting: Book[];
  readonly #events = new EventEmitter();
  readonly #done: number[] = [];
  #lanes: Promise<void>[] = [];
  #isStopping = false;
  /** Sentences about what readers should not have seen. */
  readonly violations: string[] = [];
  /** Writes that failed, by code. */
  readonly faults: Record<string, number> = {};
  readonly counts = { set: 0, expire: 0, delete: 0, read: 0, scan: 0 };
  #slowestReadMs = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#lasting = Array.from({ length: options.lastingKeys ?? 0 }, (_, number) =>
      bookOf(`lasting-${number}`, options.lastingBytes ?? 1_000),
    );
  }

  /** Writes the lasting keys, and begins. */
  async start(): Promise<void> {
    await forEachInWindow(this.#lasting, 16, (book) => this.#set(book, undefined));
    for (let lane = 0; lane < writerLanes; lane++) this.#run(() => this.#writeOne(lane));
    for (let lane = 0; lane < 2; lane++) this.#run(() => this.#readOne());
    if (this.#lasting.length > 0) this.#run(() => this.#scanLasting());
  }

  /** Resolves when every lane has done a few more operations, begun and ended after the call. */
  async progress(operations = 3): Promise<void> {
    const before = [...this.#done];
    while (this.#done.some((done, lane) => done - before[lane]! < operations)) await once(this.#events, 'done');
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#lanes);
    this.#lanes = [];
  }

  /** How long the slowest read has taken since the last call, its attempts included. */
  takeSlowestReadMs(): number {
    const slowest = this.#slowestReadMs;
    this.#slowestReadMs = 0;
    return slowest;
  }

  /** Reads and scans everything; all that was found wrong, now and by the readers before. The load must have stopped. */
  async check(): Promise<string[]> {
    const books = [...this.#lasting, ...this.#books.values()];
    await forEachInWindow(books, 16, (book) => this.#read(book));
    await this.#scanLasting();
    await this.#scanAll();
    return this.violations;
  }

  #run(operation: () => Promise<void>): void {
    const lane = this.#done.push(0) - 1;
    this.#lanes.push(this.#lane(lane, operation));
  }

  async #lane(lane: number, operation: () => Promise<void>): Promise<void> {
    while (!this.#isStopping) {
      await operation();
      this.#done[lane]! += 1;
      this.#events.emit('done');
      await delay(pauseMs);
    }
  }

  async #writeOne(lane: number): Promise<void> {
    const { random } = this.#options;
    const number = Math.floor(random() * keysPerLane);
    const key = `changing-${lane}-${number}`;
    const book = this.#books.get(key) ?? bookOf(key, valueBytes[number % valueBytes.length]!);
    this.#books.set(key, book);
    const choice = random();
    const ttlMs = ttlsMs[Math.floor(random() * ttlsMs.length)]!;
    if (choice < 0.5) await this.#set(book, undefined);
    else if (choice < 0.65) await this.#set(book, ttlMs);
    else if (choice < 0.8) await this.#expire(book, ttlMs);
    else await this.#delete(book);
  }

  async #set(book: Book, ttlMs: number | undefined): Promise<void> {
    const { client, acknowledgement } = this.#options;
    const version = ++book.versions;
    const value = valueOf(book.key, version, book.bytes);
    this.counts.set += 1;
    await this.#write(book, version, ttlMs, async () => {
      await client.set(book.key, value, { acknowledgement, ttlMs });
      return true;
    });
  }

  async #expire(book: Book, ttlMs: number): Promise<void> {
    const { client, acknowledgement } = this.#options;
    const now = book.history.at(-1)!;
    this.counts.expire += 1;
    // The value stays the one that it is; where several are possible they all get the expiry.
    await this.#write(book, now, ttlMs, () => client.expire(book.key, ttlMs, { acknowledgement }));
  }

  async #delete(book: Book): Promise<void> {
    const { client, acknowledgement } = this.#options;
    this.counts.delete += 1;
    await this.#write(book, undefined, undefined, async () => {
      await client.delete(book.key, { acknowledgement });
      return true;
    });
  }

  /** `what`: the version that is written, undefined for a deletion, or the states that get another expiry. */
  async #write(
    { history }: Book,
    what: number | undefined | readonly State[],
    ttlMs: number | undefined,
    write: () => Promise<boolean>,
  ): Promise<void> {
    const before = history.at(-1)!;
    const sentMs = Date.now();
    const after = (endedMs: number): readonly State[] =>
      statesAfter(
        what,
        ttlMs === undefined ? Infinity : sentMs + ttlMs,
        ttlMs === undefined ? Infinity : endedMs + ttlMs,
      );
    history.push([...before, ...after(Infinity)]);
    try {
      const isDone = await write();
      // Only an expiry says no: the key was not there.
      history.push(isDone ? after(Date.now()) : [absent]);
    } catch (error) {
      if (!(error instanceof KvcacheError)) throw error;
      this.faults[error.code] = (this.faults[error.code] ?? 0) + 1;
      history.push([...before, ...after(Date.now())]);
    }
  }

  async #readOne(): Promise<void> {
    const { random } = this.#options;
    const books = random() < 0.5 && this.#lasting.length > 0 ? this.#lasting : [...this.#books.values()];
    const book = books[Math.floor(random() * books.length)];
    if (book !== undefined) await this.#read(book);
  }

  async #read(book: Book): Promise<void> {
    this.counts.read += 1;
    const first = book.history.length - 1;
    const beganMs = Date.now();
    try {
      const value = await this.#options.client.get(book.key);
      const endedMs = Date.now();
      this.#slowestReadMs = Math.max(this.#slowestReadMs, endedMs - beganMs);
      const found = value === null ? undefined : versionOf(book.key, value);
      const possible = book.history.slice(first).flat();
      if (possible.some((state) => fits(state, found, beganMs, endedMs))) return;
      const expected = possible.map((state) => describe(state, endedMs)).join(' or ');
      const what = found === undefined ? 'is not there' : `has version ${found}`;
      this.violations.push(`${book.key} ${what}; expected ${expected}`);
    } catch (error) {
      this.violations.push(`${book.key} cannot be read, after ${Date.now() - beganMs} ms: ${messageOf(error)}`);
    }
  }

  /** A scan shows each lasting key once, whatever is on its way. */
  async #scanLasting(): Promise<void> {
    this.counts.scan += 1;
    try {
      const found = await this.#keysOf('lasting-');
      const missing = this.#lasting.filter(({ key }) => !found.includes(key));
      if (missing.length > 0) this.violations.push(`a scan did not show ${missing.map(({ key }) => key).join(', ')}`);
      const twice = found.filter((key, index) => found.indexOf(key) !== index);
      if (twice.length > 0) this.violations.push(`a scan showed more than once: ${twice.join(', ')}`);
    } catch (error) {
      this.violations.push(`a scan failed: ${messageOf(error)}`);
    }
  }

  /** With nothing being written: what a scan shows may be there, and what must be there is shown. */
  async #scanAll(): Promise<void> {
    const beganMs = Date.now();
    const found = await this.#keysOf('changing-');
    const endedMs = Date.now();
    const twice = found.filter((key, index) => found.indexOf(key) !== index);
    if (twice.length > 0) this.violations.push(`a scan showed more than once: ${twice.join(', ')}`);
    const shown = new Set(found);
    for (const { key, history } of this.#books.values()) {
      const possible = history.at(-1)!;
      const mayBeAbsent = possible.some((state) => fits(state, undefined, beganMs, endedMs));
      const mayBeThere = possible.some(({ version, expiresByMs }) => version !== undefined && expiresByMs > beganMs);
      if (shown.has(key) && !mayBeThere) this.violations.push(`a scan shows ${key}, which must be gone`);
      if (!shown.has(key) && !mayBeAbsent) this.violations.push(`a scan does not show ${key}`);
    }
  }

  async #keysOf(prefix: string): Promise<string[]> {
    const found: string[] = [];
    for await (const key of this.#options.client.scan({ prefix, pageKeys: 100 })) found.push(key.toString());
    return found;
  }
}

function bookOf(key: string, bytes: number): Book {
  return { key, bytes, versions: 0, history: [[absent]] };
}

function statesAfter(
  what: number | undefined | readonly State[],
  expiresFromMs: number,
  expiresByMs: number,
): readonly State[] {
  if (typeof what === 'object') {
    return what.map((state) => (state.version === undefined ? state : { ...state, expiresFromMs, expiresByMs }));
  }
  return [{ version: what, expiresFromMs, expiresByMs }];
}

function fits(state: State, found: number | undefined, beganMs: number, endedMs: number): boolean {
  if (state.version === found) return found === undefined || state.expiresByMs + clockSlackMs > beganMs;
  return found === undefined && state.expiresFromMs - clockSlackMs <= endedMs;
}

function describe({ version, expiresFromMs, expiresByMs }: State, nowMs: number): string {
  if (version === undefined) return 'nothing';
  if (expiresFromMs === Infinity) return `version ${version}`;
  return `version ${version}, which expires in ${expiresFromMs - nowMs} to ${expiresByMs - nowMs} ms`;
}

/** Numbers from 0 to 1, the same ones for the same seed. (A linear congruential generator, Numerical Recipes.) */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
