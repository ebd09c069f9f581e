/**
 * Where a scan over all keys stands.
 *
 * Keys have one order that every shard knows: by slot, then by a hash of the key. A position in it means the same on
 * every shard and after a restart, so that one cursor serves all of them, also while slots move. It is written as
 *
 *   bytes     slot u16 · boundary u32, big-endian; empty to begin and when done
 *   a number  slot × 2^32 + boundary, in decimal digits, as clients of Redis want it; 0 to begin and when done
 */
import { slotCount } from '../limits.ts';

export interface ScanPosition {
  readonly slot: number;
  /** The first hash of the slot that is not yet done. */
  readonly boundary: number;
}

/** How a cursor is written. `undefined` encodes the end. */
export interface CursorForm {
  /** Undefined if the bytes are no cursor. */
  decode(cursor: Buffer): ScanPosition | undefined;
  encode(position: ScanPosition | undefined): Buffer;
}

const boundaryCount = 2 ** 32;
const cursorBytes = 6;
const start: ScanPosition = { slot: 0, boundary: 0 };

export const binaryCursor: CursorForm = {
  decode(cursor) {
    if (cursor.byteLength === 0) return start;
    if (cursor.byteLength !== cursorBytes) return undefined;
    const slot = cursor.readUInt16BE(0);
    return slot < slotCount ? { slot, boundary: cursor.readUInt32BE(2) } : undefined;
  },
  encode(position) {
    if (position === undefined) return Buffer.alloc(0);
    const cursor = Buffer.allocUnsafe(cursorBytes);
    cursor.writeUInt16BE(position.slot, 0);
    cursor.writeUInt32BE(position.boundary, 2);
    return cursor;
  },
};

/** The longest text of a position: 16383 × 2^32 and something. */
const cursorCharsMax = 14;

export const numericCursor: CursorForm = {
  decode(cursor) {
    const text = cursor.toString('latin1', 0, cursorCharsMax + 1);
    if (text.length > cursorCharsMax || !/^[0-9]+$/.test(text)) return undefined;
    const number = Number(text);
    const slot = Math.floor(number / boundaryCount);
    return slot < slotCount ? { slot, boundary: number % boundaryCount } : undefined;
  },
  encode(position) {
    return Buffer.from(String(position === undefined ? 0 : position.slot * boundaryCount + position.boundary));
  },
};

/** Negative, zero or positive as the one lies before, at, or behind the other. */
export function comparePositions(left: ScanPosition, right: ScanPosition): number {
  return left.slot - right.slot || left.boundary - right.boundary;
}
