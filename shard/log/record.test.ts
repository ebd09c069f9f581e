import { describe, expect, test } from 'vitest';
import { storedTypes } from '../../commands/stored-type.ts';
import { spaceOfKeys } from '../journal.ts';
import { readRecordBody, readRecordHeader, recordHeaderBytes, recordKinds, writeRecordHead } from './record.ts';

const salt = 7;
const key = Buffer.from('key');
const stamp = { flags: 0, epoch: 1, writtenAtMs: 2 };

function recordOf(value: Buffer): Buffer {
  const fields = {
    kind: recordKinds.value,
    space: spaceOfKeys,
    type: storedTypes.bytes,
    slot: 3,
    sequence: 4,
  } as const;
  const bytes = Buffer.alloc(recordHeaderBytes + key.byteLength + value.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = writeRecordHead(bytes, view, 0, { ...fields, expireAtMs: 0, key, meta: undefined, value }, stamp, salt);
  value.copy(bytes, end);
  return bytes;
}

function bodyOf(record: Buffer): ReturnType<typeof readRecordBody> {
  return readRecordBody(record, 0, readRecordHeader(record, 0, salt)!);
}

// Around the length at which a body has another checksum.
const boundary = 32 * 1024 - key.byteLength;

describe.each([0, 1, boundary - 1, boundary, boundary + 1, 1024 * 1024])('a value of %i bytes', (length) => {
  const value = Buffer.alloc(length, 'value');

  test('is read as it was written', () => {
    const body = bodyOf(recordOf(value));
    expect(body?.key).toEqual(key);
    expect(body?.value.equals(value)).toBe(true);
  });

  test('is not read once a bit of it or of its key has changed', () => {
    const last = recordHeaderBytes + key.byteLength + length - 1;
    for (const place of [recordHeaderBytes, (recordHeaderBytes + last) >>> 1, last]) {
      const record = recordOf(value);
      record[place]! ^= 0x10;
      expect(bodyOf(record)).toBeUndefined();
    }
  });
});
