/**
 * What a crash or a bad disk may do to a segment without a hint: cut anywhere, any bit flipped.
 *
 * Every cut and every byte of a 64 KiB log goes through `replay`, which is the whole of that decision; a sample of
 * both goes through opening a shard's storage for real.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setOf, temporaryFolder, TestStore } from '../../testing/store.ts';
import { replay, type ReplayedRecord } from '../log/replay.ts';
import { readRecordBody, recordBytesOf } from '../log/record.ts';
import { decodeSegmentHeader, segmentHeaderBytes } from '../log/segment-header.ts';

interface Written {
  readonly from: number;
  readonly to: number;
  readonly key: string;
  readonly value: string;
}

const folder = temporaryFolder('damage');
let file: Buffer;
let name: string;
let salt: number;
let records: Written[];
/** For every record the range of the atomic group it belongs to. */
let groups: { from: number; to: number }[];

async function replayed(bytes: Buffer): Promise<{ found: ReplayedRecord[]; damages: number; validBytes: number }> {
  const found: ReplayedRecord[] = [];
  const read = async (offset: number, length: number): Promise<Buffer> => bytes.subarray(offset, offset + length);
  const result = await replay(read, bytes.byteLength, salt, (record) => found.push(record));
  return { found, damages: result.damages.length, validBytes: result.validBytes };
}

function assertTrue(found: ReplayedRecord[]): void {
  const byOffset = new Map(records.map((record) => [record.from, record]));
  for (const { header, offset, body } of found) {
    const original = byOffset.get(offset);
    // Values of group members are not handed on: recovery has no use for them.
    const value = header.flags !== 0 || original?.key.startsWith('g2') ? '' : original?.value;
    if (body.key.toString('latin1') !== original?.key || body.value.toString('latin1') !== value) {
      throw new Error(`a wrong record at ${offset}`);
    }
  }
}

beforeAll(async () => {
  const store = await TestStore.open(folder.path);
  let written = 0;
  for (let index = 0; written < 62_000; index++) {
    const value = randomBytes([3, 90, 700, 2500][index % 4]!);
    if (index % 7 === 0) store.write([setOf(`g1-${index}`, value), setOf(`g2-${index}`, 'second')]);
    else store.set(`key-${index % 11}-${index}`, value);
    written += value.byteLength + 70;
  }
  await store.storage.durable(store.storage.log.position(), 'disk');
  await store.crash();
  name = readdirSync(join(folder.path, 'segments')).find((entry) => entry.endsWith('.log'))!;
  file = readFileSync(join(folder.path, 'segments', name));
  salt = decodeSegmentHeader(file)!.salt;
  const { found } = await replayed(file);
  records = found.map(({ header, body, offset }) => ({
    from: offset,
    to: offset + recordBytesOf(header),
    key: body.key.toString('latin1'),
    value: readRecordBody(file, offset, header)!.value.toString('latin1'),
  }));
  groups = records.map((record, at) => {
    if (record.key.startsWith('g1')) return { from: record.from, to: records[at + 1]!.to };
    if (record.key.startsWith('g2')) return { from: records[at - 1]!.from, to: record.to };
    return record;
  });
});
afterAll(() => folder.remove());

describe('replay', () => {
  test('keeps every whole record before a cut, whatever the offset, and reports the rest', async () => {
    for (let cut = segmentHeaderBytes; cut < file.byteLength; cut++) {
      const { found, damages } = await replayed(file.subarray(0, cut));
      assertTrue(found);
      const whole = groups.filter((group) => group.to <= cut).length;
      if (found.length !== whole) throw new Error(`cut at ${cut}: ${found.length} of ${whole} records`);
      const isBetweenGroups = cut === segmentHeaderBytes || groups.some((group) => group.to === cut);
      if (isBetweenGroups !== (damages === 0)) throw new Error(`cut at ${cut}: ${damages} damages reported`);
    }
  }, 120_000);

  test('a flipped bit costs its own record or group and nothing else, whatever the offset', async () => {
    for (let at = segmentHeaderBytes; at < file.byteLength; at++) {
      const mask = 1 << (at % 8);
      file[at]! ^= mask;
      const { found, damages } = await replayed(file);
      file[at]! ^= mask;
      assertTrue(found);
      const spared = groups.filter((group) => at < group.from || at >= group.to).length;
      if (found.length !== spared) throw new Error(`bit at ${at}: ${found.length} of ${spared} records`);
      if (damages === 0) throw new Error(`bit at ${at} was not reported`);
    }
  }, 120_000);
});

async function openWith(bytes: Buffer): Promise<TestStore> {
  const copy = temporaryFolder('damaged');
  const seed = await TestStore.open(copy.path);
  await seed.close();
  writeFileSync(join(copy.path, 'segments', name), bytes);
  return TestStore.open(copy.path);
}

describe('opening a shard', () => {
  test('on a cut log gives every whole record with its bytes, a report, and a log that takes writes', async () => {
    for (let sample = 0; sample < 20; sample++) {
      const cut = segmentHeaderBytes + Math.floor(((file.byteLength - segmentHeaderBytes) * sample) / 20) + sample;
      const store = await openWith(file.subarray(0, cut));
      for (const [at, record] of records.entries()) {
        const expected = groups[at]!.to <= cut ? record.value : undefined;
        expect(await store.text(record.key)).toBe(expected);
      }
      store.set('after', 'damage');
      expect(await store.text('after')).toBe('damage');
      await store.close();
    }
  });

  test('on flipped bits gives misses for what is damaged, the true bytes for all else, and a report', async () => {
    for (let sample = 0; sample < 20; sample++) {
      const at = Math.floor((file.byteLength * sample) / 20) + sample;
      const bytes = Buffer.from(file);
      bytes[at]! ^= 1 << (sample % 8);
      const store = await openWith(bytes);
      for (const [index, record] of records.entries()) {
        const isSpared = at < groups[index]!.from || at >= groups[index]!.to;
        expect(await store.text(record.key)).toBe(isSpared ? record.value : undefined);
      }
      if (at >= segmentHeaderBytes) expect(store.storage.report?.damages).not.toEqual([]);
      await store.close();
    }
  });

  test('a bit that flips in a sealed segment later costs its record alone, and only when it is read', async () => {
    const copy = temporaryFolder('sealed');
    const first = await TestStore.open(copy.path);
    first.set('a', 'a'.repeat(500));
    first.set('b', 'b'.repeat(500));
    await first.close();
    const path = join(
      copy.path,
      'segments',
      readdirSync(join(copy.path, 'segments')).find((n) => n.endsWith('.log'))!,
    );
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('aaaa') + 100]! ^= 4;
    writeFileSync(path, bytes);
    const second = await TestStore.open(copy.path);
    await expect(second.get('a')).rejects.toThrow(/cannot be read/);
    expect(await second.text('b')).toBe('b'.repeat(500));
    await second.close();
    copy.remove();
  });
});

describe('compaction', () => {
  test('keeps a key deleted whose tombstone is damaged on the disk, for the hint still tells of it', async () => {
    const copy = temporaryFolder('tombstone');
    const store = await TestStore.open(copy.path);
    store.set('victim', 'old');
    for (let key = 0; key < 50; key++) store.set(`cold-${key}`, 'x'.repeat(1000));
    await store.storage.log.roll();
    store.delete('victim');
    const { log } = store.storage;
    const path = log.pathOf(log.active!.id);
    for (let key = 0; key < 50; key++) store.set('noise', 'y'.repeat(1000));
    await log.roll();
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('victim') + 2]! ^= 1;
    writeFileSync(path, bytes);
    await store.storage.maintain();
    await store.close();
    const again = await TestStore.open(copy.path);
    expect(await again.text('victim')).toBeUndefined();
    expect(await again.text('cold-7')).toBe('x'.repeat(1000));
    await again.close();
    copy.remove();
  });
});
