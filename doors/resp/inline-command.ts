/**
 * Inline commands: a line that a person types into telnet, split into words as Redis splits it (sdssplitargs).
 *
 *   set greeting "hello\r\n\x00 world"     \n \r \t \b \a \xHH and \c for any other c
 *   set greeting 'it''s'                   only \' between single quotes
 *
 * A closing quote ends its word: something else than white space behind it is a fault, as a missing one is.
 */

const space = 0x20;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const backslash = 0x5c;

const escapes: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x62, 0x08],
  [0x61, 0x07],
]);

function isSpace(byte: number | undefined): boolean {
  return byte === space || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** Vertical tabs and form feeds stand before words, and in them. */
function endsWord(byte: number): boolean {
  return isSpace(byte) ? byte !== 0x0b && byte !== 0x0c : byte === 0;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The words of a line, in memory that they share; undefined where its quotes are not balanced. */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  // All words together are no longer than their line.
  const scanner = { line, at: 0, memory: Buffer.allocUnsafe(line.byteLength), length: 0 };
  for (;;) {
    while (scanner.at < line.byteLength && (isSpace(line[scanner.at]) || line[scanner.at] === 0)) scanner.at += 1;
    if (scanner.at >= line.byteLength) return words;
    const from = scanner.length;
    if (!scanWord(scanner)) return undefined;
    words.push(scanner.memory.subarray(from, scanner.length));
  }
}

interface Scanner {
  readonly line: Buffer;
  at: number;
  /** Where words go, and how much of it is taken. */
  readonly memory: Buffer;
  length: number;
}

/** False where a quote is not closed, or something follows it. */
function scanWord(scanner: Scanner): boolean {
  const { line } = scanner;
  while (scanner.at < line.byteLength) {
    const byte = line[scanner.at]!;
    if (endsWord(byte)) return true;
    if (byte === doubleQuote || byte === singleQuote) {
      if (!(byte === doubleQuote ? scanDoubleQuoted(scanner) : scanSingleQuoted(scanner))) return false;
      const next = line[scanner.at];
      return next === undefined || next === 0 || isSpace(next);
    }
    put(scanner, byte);
    scanner.at += 1;
  }
  return true;
}

function scanDoubleQuoted(scanner: Scanner): boolean {
  const { line } = scanner;
  for (scanner.at += 1; scanner.at < line.byteLength; scanner.at += 1) {
    const byte = line[scanner.at]!;
    if (byte === doubleQuote) {
      scanner.at += 1;
      return true;
    }
    if (byte === backslash && scanner.at + 1 < line.byteLength) putEscaped(scanner);
    else put(scanner, byte);
  }
  return false;
}

function putEscaped(scanner: Scanner): void {
  const { line, at } = scanner;
  const high = hexDigit(line[at + 2]);
  const low = hexDigit(line[at + 3]);
  if (line[at + 1] === 0x78 && high >= 0 && low >= 0) {
    put(scanner, high * 16 + low);
    scanner.at += 3;
    return;
  }
  const byte = line[at + 1]!;
  put(scanner, escapes.get(byte) ?? byte);
  scanner.at += 1;
}

function scanSingleQuoted(scanner: Scanner): boolean {
  const { line } = scanner;
  for (scanner.at += 1; scanner.at < line.byteLength; scanner.at += 1) {
    const byte = line[scanner.at]!;
    if (byte === singleQuote) {
      scanner.at += 1;
      return true;
    }
    const isEscaped = byte === backslash && line[scanner.at + 1] === singleQuote;
    if (isEscaped) scanner.at += 1;
    put(scanner, isEscaped ? singleQuote : byte);
  }
  return false;
}

function put(scanner: Scanner, byte: number): void {
  scanner.memory[scanner.length] = byte;
  scanner.length += 1;
}
