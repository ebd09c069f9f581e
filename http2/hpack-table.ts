/**
 * The tables behind HPACK's indexes (RFC 7541, 2.3): 61 fields that everyone knows, and behind them the fields that this
 * connection has had, the newest first.
 *
 * An index moves with each insertion, an entry's sequence does not: sequences count insertions, so the newest entry has
 * `next - 1` and its index 62. The entries lie in a ring by sequence, and neither insertion nor eviction moves one.
 * `version` changes whenever an index may mean something else than before.
 *
 * Each end keeps its own: what the decoder looks up by index, the encoder finds by name and value (`hpack-encoder.ts`),
 * and is told of evictions for it.
 */
import { isPseudoName, isValidField } from './header-fields.ts';

/** What an entry counts besides its name and value (RFC 7541, 4.1). */
export const entryOverheadBytes = 32;

export class TableEntry {
  readonly name: string;
  readonly value: string;
  readonly bytes: number;
  /** Looked at once, however many messages refer to the entry. */
  readonly isValid: boolean;
  readonly isPseudo: boolean;
  /** Counts the insertions of its table; below zero, the complement of a static entry's index. */
  sequence: number;

  constructor(name: string, value: string, sequence = 0) {
    this.name = name;
    this.value = value;
    this.bytes = name.length + value.length + entryOverheadBytes;
    this.isValid = isValidField(name, value);
    this.isPseudo = isPseudoName(name);
    this.sequence = sequence;
  }
}

const ringEntriesMin = 16;

export class DynamicTable {
  readonly #onEvicted: ((entry: TableEntry) => void) | undefined;
  /** A power of two of places; an entry is at the last bits of its sequence. */
  #ring: (TableEntry | undefined)[] = Array.from({ length: ringEntriesMin });
  #oldest = 0;
  #next = 0;
  #bytes = 0;
  #bytesMax: number;
  #version = 0;

  constructor(bytesMax: number, onEvicted?: (entry: TableEntry) => void) {
    this.#bytesMax = bytesMax;
    this.#onEvicted = onEvicted;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  get version(): number {
    return this.#version;
  }

  /** The entry of an HPACK index above the static ones. */
  at(index: number): TableEntry | undefined {
    const sequence = this.#next - (index - staticEntryCount);
    return sequence < this.#oldest ? undefined : this.#ring[sequence & (this.#ring.length - 1)];
  }

  indexOf(entry: TableEntry): number {
    return entry.sequence < 0 ? ~entry.sequence : staticEntryCount + this.#next - entry.sequence;
  }

  /** Makes room and inserts. An entry that is larger than the whole table empties it and stays outside, which is no fault. */
  add(entry: TableEntry): void {
    this.#version++;
    this.#shrinkTo(this.#bytesMax - entry.bytes);
    if (entry.bytes > this.#bytesMax) return;
    if (this.#next - this.#oldest === this.#ring.length) this.#grow();
    entry.sequence = this.#next++;
    this.#ring[entry.sequence & (this.#ring.length - 1)] = entry;
    this.#bytes += entry.bytes;
  }

  resize(bytesMax: number): void {
    this.#version++;
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  #shrinkTo(bytes: number): void {
    while (this.#bytes > bytes && this.#oldest < this.#next) {
      const place = this.#oldest++ & (this.#ring.length - 1);
      const entry = this.#ring[place]!;
      this.#ring[place] = undefined;
      this.#bytes -= entry.bytes;
      this.#onEvicted?.(entry);
    }
  }

  #grow(): void {
    const ring: (TableEntry | undefined)[] = Array.from({ length: this.#ring.length * 2 });
    for (const entry of this.#ring) if (entry) ring[entry.sequence & (ring.length - 1)] = entry;
    this.#ring = ring;
  }
}

/** RFC 7541, appendix A: entry i is at i, and nothing at 0, which is no index. */
export const staticEntries: readonly (TableEntry | undefined)[] = [
  undefined,
  ...(
    [
      [':authority'],
      [':method', 'GET', 'POST'],
      [':path', '/', '/index.html'],
      [':scheme', 'http', 'https'],
      [':status', '200', '204', '206', '304', '400', '404', '500'],
      ['accept-charset'],
      ['accept-encoding', 'gzip, deflate'],
      ['accept-language'],
      ['accept-ranges'],
      ['accept'],
      ['access-control-allow-origin'],
      ['age'],
      ['allow'],
      ['authorization'],
      ['cache-control'],
      ['content-disposition'],
      ['content-encoding'],
      ['content-language'],
      ['content-length'],
      ['content-location'],
      ['content-range'],
      ['content-type'],
      ['cookie'],
      ['date'],
      ['etag'],
      ['expect'],
      ['expires'],
      ['from'],
      ['host'],
      ['if-match'],
      ['if-modified-since'],
      ['if-none-match'],
      ['if-range'],
      ['if-unmodified-since'],
      ['last-modified'],
      ['link'],
      ['location'],
      ['max-forwards'],
      ['proxy-authenticate'],
      ['proxy-authorization'],
      ['range'],
      ['referer'],
      ['refresh'],
      ['retry-after'],
      ['server'],
      ['set-cookie'],
      ['strict-transport-security'],
      ['transfer-encoding'],
      ['user-agent'],
      ['vary'],
      ['via'],
      ['www-authenticate'],
    ] as readonly (readonly [string, ...string[]])[]
  )
    .flatMap(([name, ...values]) => (values.length === 0 ? [[name, '']] : values.map((value) => [name, value])))
    .map(([name, value], position) => new TableEntry(name!, value!, ~(position + 1))),
];

export const staticEntryCount = staticEntries.length - 1;
