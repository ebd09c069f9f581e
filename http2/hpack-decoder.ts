/**
 * Header blocks into fields (RFC 7541, 6).
 *
 * Clients send the same few blocks again and again, so a block that left the table as it was is remembered with its
 * result, and while the table stays so, the same bytes are answered with the same object. A deadline that differs each
 * time defeats that; then all but it are indexes, and their strings are those of the table: no bytes are read again.
 *
 * Only what is wrong with the encoding is thrown here, because after it the tables of both ends no longer agree. A field
 * that HTTP/2 does not allow leaves them right, and costs the stream only: `fault` tells of it.
 */
import { http2HeaderFieldsMax } from '../limits.ts';
import type { HeaderFields } from './header-fields.ts';
import { isVolatileName, RememberedBlocks } from './hpack-blocks.ts';
import { HpackError } from './hpack-error.ts';
import { decodeHuffman, huffmanDecodedBytesMax } from './hpack-huffman.ts';
import { DynamicTable, staticEntries, staticEntryCount, TableEntry } from './hpack-table.ts';

/** What a peer assumes until it has read our settings (RFC 9113, 6.5.2). */
const initialTableBytes = 4_096;
const integerMax = 2 ** 31 - 1;
const noBytes = Buffer.alloc(0);

/**
 * An object without inherited properties, as `Object.create(null)` makes it. Objects of a constructor get hidden classes,
 * which that one's do not: they are filled in half and read in a quarter of the time.
 */
const Fields = function Fields() {} as unknown as new () => Record<string, string>;
Fields.prototype = Object.create(null) as object;
const noFields = new Fields();

/** Decoded Huffman strings are put together here, unless they are longer. */
const sharedScratch = Buffer.allocUnsafeSlow(4_096);

export class HpackDecoder {
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  readonly #table = new DynamicTable(initialTableBytes);
  readonly #remembered = new RememberedBlocks();
  #block: Buffer = noBytes;
  #position = 0;
  #fields = noFields;
  #listBytes = 0;
  #fieldCount = 0;
  #hasRegular = false;
  #fault: string | undefined;
  /** Something in the block in hand will hardly come a second time. */
  #isVolatile = false;

  /**
   * @param options.tableBytesMax what we announced as SETTINGS_HEADER_TABLE_SIZE
   * @param options.listBytesMax what we announced as SETTINGS_MAX_HEADER_LIST_SIZE: names, values and 32 for each field
   */
  constructor(options: { readonly tableBytesMax: number; readonly listBytesMax: number }) {
    this.#tableBytesMax = options.tableBytesMax;
    this.#listBytesMax = options.listBytesMax;
  }

  /**
   * What makes the message of the block decoded last malformed: a field that is no valid one (RFC 9113, 8.2.1), or a
   * pseudo-header field behind a regular one or a second time (8.3).
   */
  get fault(): string | undefined {
    return this.#fault;
  }

  /**
   * Decodes one whole block. One whose fields exceed a bound is decoded nevertheless, so that the table stays right.
   * Throws HpackError for what is no block.
   */
  decode(block: Buffer): HeaderFields | 'too-large' {
    const version = this.#table.version;
    const known = this.#remembered.find(block, version);
    if (known) {
      this.#fault = known.fault;
      return known.fields;
    }
    this.#block = block;
    this.#position = 0;
    this.#fields = new Fields();
    this.#listBytes = 0;
    this.#fieldCount = 0;
    this.#hasRegular = false;
    this.#fault = undefined;
    this.#isVolatile = false;
    this.#tableSizes();
    while (this.#position < block.length) this.#field();
    const fields = this.#fields;
    // Neither is kept alive by an idle connection.
    this.#block = noBytes;
    this.#fields = noFields;
    if (this.#isTooLarge) return 'too-large';
    if (!this.#isVolatile && this.#table.version === version) {
      this.#remembered.add(block, version, fields, this.#fault);
    }
    return fields;
  }

  get #isTooLarge(): boolean {
    return this.#listBytes > this.#listBytesMax || this.#fieldCount > http2HeaderFieldsMax;
  }

  /** Size updates, which stand at the beginning of a block and nowhere else. */
  #tableSizes(): void {
    const block = this.#block;
    while (this.#position < block.length && (block[this.#position]! & 0xe0) === 0x20) {
      const bytes = this.#integer(0x1f);
      if (bytes > this.#tableBytesMax) throw new HpackError(`table of ${bytes} bytes, above what was announced`);
      this.#table.resize(bytes);
    }
  }

  #field(): void {
    const first = this.#block[this.#position]!;
    if (first > 0x80 && first < 0xff) {
      this.#position++;
      this.#take(this.#entry(first & 0x7f));
    } else if ((first & 0x80) !== 0) {
      this.#take(this.#entry(this.#integer(0x7f)));
    } else if ((first & 0x40) !== 0) {
      const entry = new TableEntry(this.#name(0x3f), this.#string());
      this.#table.add(entry);
      this.#take(entry);
    } else if ((first & 0x20) !== 0) {
      throw new HpackError('a table size behind a field');
    } else {
      const entry = new TableEntry(this.#name(0x0f), this.#string());
      this.#isVolatile ||= isVolatileName(entry.name);
      this.#take(entry);
    }
  }

  #take(entry: TableEntry): void {
    this.#listBytes += entry.bytes;
    this.#fieldCount++;
    if (this.#isTooLarge) return;
    const { name, value } = entry;
    const fields = this.#fields;
    const before = fields[name];
    if (!entry.isValid) {
      this.#fault ??= 'invalid header field';
    } else if (!entry.isPseudo) {
      this.#hasRegular = true;
    } else if (this.#hasRegular || before !== undefined) {
      this.#fault ??= `misplaced ${name}`;
    }
    if (before === undefined) fields[name] = value;
    else fields[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }

  #name(mask: number): string {
    const index = this.#integer(mask);
    return index === 0 ? this.#string() : this.#entry(index).name;
  }

  #entry(index: number): TableEntry {
    const entry = index <= staticEntryCount ? staticEntries[index] : this.#table.at(index);
    if (!entry) throw new HpackError(`no field at index ${index}`);
    return entry;
  }

  /** The bits of `mask` in the byte in hand, or with all of them set what follows too (RFC 7541, 5.1). */
  #integer(mask: number): number {
    const block = this.#block;
    if (this.#position >= block.length) throw new HpackError('ends within a field');
    let value = block[this.#position++]! & mask;
    if (value < mask) return value;
    for (let factor = 1; ; factor *= 128) {
      if (this.#position >= block.length) throw new HpackError('ends within a number');
      const byte = block[this.#position++]!;
      value += (byte & 0x7f) * factor;
      // Zeros at the end may go on for ever without making it larger.
      if (value > integerMax || factor > integerMax) throw new HpackError('a number above 2^31');
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const block = this.#block;
    const isHuffman = this.#position < block.length && block[this.#position]! >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#position;
    const end = start + length;
    if (end > block.length) throw new HpackError('ends within a string');
    this.#position = end;
    if (!isHuffman) return block.toString('latin1', start, end);
    const bytesMax = huffmanDecodedBytesMax(length);
    const scratch = bytesMax <= sharedScratch.length ? sharedScratch : Buffer.allocUnsafe(bytesMax);
    const bytes = decodeHuffman(block, start, end, scratch);
    if (bytes < 0) throw new HpackError('a string that is no Huffman code');
    return scratch.toString('latin1', 0, bytes);
  }
}
