/** Two copies of one record, as an interrupted compaction leaves them, in either order. */
import { expect, test } from 'vitest';
import { MapIndex } from '../../testing/map-index.ts';
import { systemClock } from '../clock.ts';
import { systemFiles } from '../log/files.ts';
import { HintBuilder, HintCursor, type HintEntry } from '../log/hint.ts';
import { Log } from '../log/log.ts';
import { recordKinds } from '../log/record.ts';
import { SegmentState } from '../log/segment-state.ts';
import { Loader } from './loader.ts';

const noBytes = Buffer.alloc(0);
const value: HintEntry = {
  kind: recordKinds.value,
  space: 0,
  type: 0,
  slot: 1,
  epoch: 0,
  sequence: 5,
  expireAtMs: 0,
  offset: 1_000,
  recordBytes: 100,
  bodyBytes: 40,
  key: Buffer.from('key'),
  extra: noBytes,
};

/** On the record as a hint has it. */
function cursorOn(record: HintEntry): HintCursor {
  const builder = new HintBuilder();
  builder.add(record, 0);
  const cursor = new HintCursor(builder.chunks()[0]!);
  cursor.next();
  return cursor;
}

function loaded(...records: { segment: number; record: HintEntry; readableBytes: number }[]): MapIndex {
  const index = new MapIndex();
  const options = { folder: '/nowhere', fsync: 'never', segmentBytes: 1, segmentAgeMs: 1, epoch: () => 0 } as const;
  const log = new Log({ ...options, clock: systemClock, files: systemFiles });
  const loader = new Loader(log, index, () => 0);
  for (const { segment: id, record, readableBytes } of records) {
    const segment = new SegmentState({ id, incarnation: 1, salt: 1 }, 0, readableBytes);
    log.segments.set(id, segment);
    loader.apply(segment, cursorOn(record), readableBytes);
  }
  loader.finish();
  return index;
}

const whole = { segment: 2, record: value, readableBytes: 10_000 };

test('a copy that is cut off does not void the one that is whole, but every older record', () => {
  const cut = { segment: 1, record: value, readableBytes: 500 };
  const older = { segment: 3, record: { ...value, sequence: 4 }, readableBytes: 10_000 };
  expect(loaded(cut, whole).find(0, 'key')?.segment).toBe(2);
  expect(loaded(whole, cut).find(0, 'key')?.segment).toBe(2);
  expect(loaded(cut, older).find(0, 'key')).toBeUndefined();
  expect(loaded(older, cut).find(0, 'key')).toBeUndefined();
});

test('an expired record that compaction has made a tombstone stays gone beside its former self', () => {
  const tombstone = { segment: 1, record: { ...value, kind: recordKinds.tombstone }, readableBytes: 10_000 };
  expect(loaded(tombstone, whole).find(0, 'key')).toBeUndefined();
  expect(loaded(whole, tombstone).find(0, 'key')).toBeUndefined();
});
