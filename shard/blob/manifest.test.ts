import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { SegmentSummary } from '../segment.ts';
import {
  incarnationOf,
  manifestVersion,
  parseManifest,
  segmentBlobName,
  serializeManifest,
  withSegment,
  withoutSegments,
} from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { markFromMetadata, markToMetadata } from './writer-mark.ts';

const count = fc.nat();
const summary: fc.Arbitrary<SegmentSummary> = fc.record({
  id: count,
  incarnation: count,
  salt: fc.nat({ max: 0xffff_ffff }),
  sealed: fc.boolean(),
  bytes: count,
  hintBytes: count,
  minSequence: fc.maxSafeNat(),
  maxSequence: fc.maxSafeNat(),
  records: count,
  createdAtMs: fc.maxSafeNat(),
});
const manifest: fc.Arbitrary<Manifest> = fc.record({
  version: fc.constant(manifestVersion),
  shard: fc.string(),
  incarnation: fc.integer({ min: 1 }),
  previousIncarnation: count,
  owner: fc.string({ minLength: 1 }),
  revision: count,
  segments: fc
    .uniqueArray(summary, { selector: ({ id }) => id })
    .map((segments) => segments.toSorted((a, b) => a.id - b.id)),
});

describe('the manifest', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(manifest, (value) => {
        expect(parseManifest(serializeManifest(value))).toEqual(value);
        expect(incarnationOf(serializeManifest(value))).toBe(value.incarnation);
      }),
    );
  });

  test('lists a segment once, by id, with what was said last', () => {
    fc.assert(
      fc.property(manifest, summary, (value, added) => {
        const changed = withSegment(withSegment(value, { ...added, bytes: 1 }), added);
        expect(changed.segments.filter(({ id }) => id === added.id)).toEqual([added]);
        expect(changed.segments).toEqual(changed.segments.toSorted((a, b) => a.id - b.id));
        expect(withoutSegments(changed, new Set([added.id])).segments).toEqual(
          value.segments.filter(({ id }) => id !== added.id),
        );
      }),
    );
  });

  test.each([
    ['not JSON', 'not json', /not JSON/u],
    ['an empty blob', '', /not JSON/u],
    ['another kind of document', '[]', /expected object/u],
    ['a version that is not ours', JSON.stringify({ version: 2 }), /version/u],
    [
      'a segment without a length',
      JSON.stringify({
        version: 1,
        shard: 's',
        incarnation: 1,
        previousIncarnation: 0,
        owner: 'o',
        revision: 1,
        segments: [{ id: 1 }],
      }),
      /segments\[0\]\.bytes/u,
    ],
  ])('is refused with a reason when it is %s', (_what, text, reason) => {
    expect(() => parseManifest(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'FORMAT', message: expect.stringMatching(reason) }),
    );
  });

  test('is refused when a segment is listed twice', () => {
    fc.assert(
      fc.property(manifest, summary, (value, twice) => {
        const body = serializeManifest({ ...value, segments: [twice, twice] });
        expect(() => parseManifest(body)).toThrow(/listed twice/u);
      }),
    );
  });

  test('never throws anything but FORMAT for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => parseManifest(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'FORMAT' }));
      }),
    );
  });

  test('tells the incarnation even of a version that it does not read', () => {
    expect(incarnationOf(Buffer.from('{"version":9,"incarnation":7}'))).toBe(7);
    expect(incarnationOf(Buffer.from('garbage'))).toBeUndefined();
    expect(incarnationOf(Buffer.from('{"incarnation":"7"}'))).toBeUndefined();
  });
});

describe('the mark in a blob’s metadata', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(summary, count, count, (segment, incarnation, commit) => {
        const mark = { incarnation, owner: 'a1b2', commit, segment };
        expect(markFromMetadata(markToMetadata(mark))).toEqual(mark);
      }),
    );
  });

  test('is absent from metadata of anybody else', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('incarnation', 'owner', 'commit', 'segment'), fc.string()),
        (metadata) => {
          expect(markFromMetadata(metadata)).toBeUndefined();
        },
      ),
    );
  });
});

test('names of blobs are in the order of their segments', () => {
  const names = [9, 10, 100].map((id) => segmentBlobName({ id, incarnation: 3, salt: 0 }));
  expect(names).toEqual(names.toSorted());
  expect(names[0]).toBe('segments/000000000009-3.seg');
});
