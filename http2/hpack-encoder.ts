/**
 * Fields into header blocks (RFC 7541, 6).
 *
 * A field is sent in full once and put into the table, and is an index of one byte from then on. Not so
 * - what hardly comes twice (`isVolatileName`), but for one of it that gives the name an index, long values, and a name's
 *   values beyond the first few: they would push out what does come again, and each insertion moves all other indexes;
 * - credentials, which are sent as never indexed, so that nobody on the way keeps them and no later block's length tells
 *   whether a guess was right (7.1).
 *
 * Two ways to be quick. The values that a name has in the table stand in a short list at the name: no map of pairs, no
 * key to be put together. And an object that was given before is answered with the block it had, as long as the table has
 * not changed since: response headers and trailers are constants. A block is kept only when its object comes a second
 * time, else the objects of clients, one a call, would each cost a copy. Callers never change an object once given.
 *
 * Strings are sent as they stand, without Huffman's code: see `hpack-huffman.ts`.
 */
import {
  http2IndexedValueBytesMax,
  http2IndexedValuesPerName,
  http2RememberedBlockBytesMax,
  http2RememberedBlocks,
} from '../limits.ts';
import type { OutgoingFields } from './header-fields.ts';
import { isVolatileName } from './hpack-blocks.ts';
import { DynamicTable, entryOverheadBytes, staticEntries, TableEntry } from './hpack-table.ts';

/** What a peer's table holds until its settings or a block say otherwise (RFC 9113, 6.5.2). */
const initialTableBytes = 4_096;

type Policy = 'indexed' | 'volatile' | 'never';

/** The first byte of a literal, and the bits of it that hold the name's index. */
const literalIndexed = { pattern: 0x40, mask: 0x3f };
const literalPlain = { pattern: 0x00, mask: 0x0f };
const literalNever = { pattern: 0x10, mask: 0x0f };

interface Name {
  readonly policy: Policy;
  /** Entries with this name, the static ones and then those of the table by age. */
  readonly entries: TableEntry[];
  readonly staticCount: number;
}

interface Remembered {
  readonly fields: OutgoingFields;
  /** Of the table, when the object was given last. */
  version: number;
  /** Missing until the object has come twice in this version. */
  block: Buffer | undefined;
}

/** Blocks are written one behind another into a piece of memory, which is left to them when it is full. */
const slabBytes = 16 * 1024;
/** At most: a first byte, and three times a number of up to six bytes. */
const fieldOverheadBytes = 19;
let slab = Buffer.allocUnsafeSlow(slabBytes);
let slabUsed = 0;

export class HpackEncoder {
  readonly #tableBytesMax: number;
  readonly #table: DynamicTable;
  /** Names that have an entry somewhere: bounded by the tables. */
  readonly #names = new Map<string, Name>();
  readonly #remembered: Remembered[] = [];
  #nextRemembered = 0;
  /** The table's bound as the peer knows it, and the smallest that there was since. */
  #toldTableBytes = initialTableBytes;
  #leastTableBytes = initialTableBytes;
  /** Where the block in hand goes on in `slab`, and where it began. */
  #position = 0;
  #start = 0;
  #isVolatile = false;

  /** @param options.tableBytesMax our own bound, whatever the peer offers */
  constructor(options: { readonly tableBytesMax: number }) {
    this.#tableBytesMax = options.tableBytesMax;
    this.#table = new DynamicTable(initialTableBytes, (entry) => this.#onEvicted(entry));
    this.peerTableBytesMax = initialTableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the new bound, if there is one (RFC 7541, 4.2). */
  set peerTableBytesMax(bytes: number) {
    const bytesMax = Math.min(bytes, this.#tableBytesMax);
    if (bytesMax === this.#table.bytesMax) return;
    this.#table.resize(bytesMax);
    this.#leastTableBytes = Math.min(this.#leastTableBytes, bytesMax);
  }

  /** The bytes are never changed later, and callers do not change them either: the same block may be returned again. */
  encode(fields: OutgoingFields): Buffer {
    const version = this.#table.version;
    const known = this.#find(fields);
    if (known?.block && known.version === version) return known.block;
    this.#begin();
    const beginsWithSizes = this.#tellTableBytes();
    let numbers: string[] | undefined;
    for (const name in fields) {
      // An object lists its names that are numbers first, where the pseudo-header fields belong.
      if (beginsWithDigit(name)) (numbers ??= []).push(name);
      else this.#values(name, fields[name]!);
    }
    if (numbers) for (const name of numbers) this.#values(name, fields[name]!);
    const block = slab.subarray(this.#start, this.#position);
    slabUsed = this.#position;
    if (this.#table.version === version && !beginsWithSizes && !this.#isVolatile) this.#remember(known, fields, block);
    return block;
  }

  #find(fields: OutgoingFields): Remembered | undefined {
    for (const known of this.#remembered) if (known.fields === fields) return known;
    return undefined;
  }

  /** `block` is right for the table as it is. */
  #remember(known: Remembered | undefined, fields: OutgoingFields, block: Buffer): void {
    const version = this.#table.version;
    if (!known) {
      this.#remembered[this.#nextRemembered] = { fields, version, block: undefined };
      this.#nextRemembered = (this.#nextRemembered + 1) % http2RememberedBlocks;
    } else if (known.version !== version) {
      known.version = version;
      known.block = undefined;
    } else if (block.length <= http2RememberedBlockBytesMax) {
      // With memory of its own: a slice would keep the whole slab.
      known.block = Buffer.from(new Uint8Array(block).buffer);
    }
  }

  /** Whether there was something to tell. */
  #tellTableBytes(): boolean {
    const bytesMax = this.#table.bytesMax;
    const least = this.#leastTableBytes;
    if (this.#toldTableBytes === bytesMax && least >= bytesMax) return false;
    this.#reserve(2 * fieldOverheadBytes);
    // The peer has to drop what did not fit in between, as this end has.
    if (least < bytesMax && least < this.#toldTableBytes) this.#integer(0x20, 0x1f, least);
    this.#integer(0x20, 0x1f, bytesMax);
    this.#toldTableBytes = bytesMax;
    this.#leastTableBytes = bytesMax;
    return true;
  }

  #values(name: string, value: string | readonly string[]): void {
    if (typeof value === 'string') this.#field(name, value);
    else for (const item of value) this.#field(name, item);
  }

  #field(text: string, value: string): void {
    this.#reserve(fieldOverheadBytes + text.length + value.length);
    const name = this.#names.get(text) ?? this.#meet(text);
    const { policy, entries } = name;
    if (policy !== 'never') {
      // From the newest on, which is where a value that is in use tends to be.
      for (let index = entries.length - 1; index >= 0; index--) {
        const entry = entries[index]!;
        if (entry.value === value) {
          this.#integer(0x80, 0x7f, this.#table.indexOf(entry));
          return;
        }
      }
    }
    this.#isVolatile ||= policy === 'volatile';
    if (policy !== 'never' && this.#isWorthAnEntry(name, text, value)) {
      this.#literal(literalIndexed, entries[0], text, value);
      const entry = new TableEntry(text, value);
      // Before room is made for it, which may take the name's other entries and with the last of them the name.
      entries.push(entry);
      this.#names.set(text, name);
      this.#table.add(entry);
    } else {
      this.#literal(policy === 'never' ? literalNever : literalPlain, entries[0], text, value);
    }
  }

  #isWorthAnEntry(name: Name, text: string, value: string): boolean {
    if (value.length > http2IndexedValueBytesMax) return false;
    // One value of those that hardly come twice, for the sake of its name.
    if (name.policy === 'volatile' && name.entries.length > 0) return false;
    if (name.entries.length - name.staticCount >= http2IndexedValuesPerName) return false;
    return text.length + value.length + entryOverheadBytes <= this.#table.bytesMax;
  }

  /** A name that has no entry, and is kept once it has one. Those of the static table are few. */
  #meet(text: string): Name {
    const known = staticNames.get(text);
    const policy = policyOf(text);
    const name: Name = { policy, entries: known ? [...known] : [], staticCount: known ? known.length : 0 };
    if (known) this.#names.set(text, name);
    return name;
  }

  #onEvicted(entry: TableEntry): void {
    const name = this.#names.get(entry.name)!;
    name.entries.splice(name.staticCount, 1);
    if (name.entries.length === 0) this.#names.delete(entry.name);
  }

  #literal(kind: typeof literalPlain, named: TableEntry | undefined, name: string, value: string): void {
    const { pattern, mask } = kind;
    if (named) {
      this.#integer(pattern, mask, this.#table.indexOf(named));
    } else {
      slab[this.#position++] = pattern;
      this.#string(name);
    }
    this.#string(value);
  }

  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      slab[this.#position++] = pattern | value;
      return;
    }
    slab[this.#position++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) slab[this.#position++] = (rest % 128) | 0x80;
    slab[this.#position++] = rest;
  }

  #string(text: string): void {
    const length = text.length;
    this.#integer(0, 0x7f, length);
    // A call into the runtime costs as much as some thirty characters.
    if (length > 32) slab.write(text, this.#position, 'latin1');
    else for (let index = 0; index < length; index++) slab[this.#position + index] = text.charCodeAt(index);
    this.#position += length;
  }

  #begin(): void {
    this.#start = slabUsed;
    this.#position = slabUsed;
    this.#isVolatile = false;
  }

  /** Room for so many more bytes, in a new slab if there is none in this: what the block has already goes along. */
  #reserve(bytes: number): void {
    if (this.#position + bytes <= slab.length) return;
    const written = slab.subarray(this.#start, this.#position);
    slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (written.length + bytes)));
    slab.set(written);
    this.#start = 0;
    this.#position = written.length;
  }
}

const staticNames = new Map<string, readonly TableEntry[]>();
for (const entry of staticEntries) {
  if (entry) staticNames.set(entry.name, [...(staticNames.get(entry.name) ?? []), entry]);
}

function beginsWithDigit(name: string): boolean {
  const code = name.charCodeAt(0);
  return code >= 0x30 && code <= 0x39;
}

function policyOf(name: string): Policy {
  if (name === 'authorization' || name === 'proxy-authorization' || name === 'cookie') return 'never';
  return isVolatileName(name) ? 'volatile' : 'indexed';
}
