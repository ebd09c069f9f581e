import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockKey } from '../../commands/block-key.ts';
import { partitionKeyBytesMax, locationCharsMax } from '../../limits.ts';
import { decodeLocation, LocationEncoder, locationScope } from './location.ts';

const scope = locationScope('https://account.example', 'prompts');
const block = { digest: randomBytes(20), hash: 2n ** 64n - 1n, parent: 7n };

function faultOf(location: string, of = scope): string {
  const decoded = decodeLocation(location, of);
  return 'fault' in decoded ? decoded.fault : 'none';
}

describe('a location', () => {
  it('names exactly the version that it was made of', () => {
    const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        uint64,
        uint64,
        fc.string(),
        (bytes, hash, parent, p) => {
          const digest = Buffer.from(bytes);
          const location = new LocationEncoder(scope, p).encode({ digest, hash, parent });
          expect(location).toMatch(/^[A-Za-z0-9_-]+$/);
          expect(decodeLocation(location, scope)).toEqual({ key: blockKey(digest, hash, parent) });
        },
      ),
    );
  });

  it('is the same whatever its encoder made before', () => {
    const encoder = new LocationEncoder(scope, 'p');
    const first = encoder.encode(block);
    expect(encoder.encode({ digest: randomBytes(20), hash: 3n, parent: 2n })).not.toBe(first);
    expect(encoder.encode(block)).toBe(first);
  });

  it('stays within its bound with the longest partition key', () => {
    const longest = new LocationEncoder(scope, 'p'.repeat(partitionKeyBytesMax)).encode(block);
    expect(longest.length).toBeLessThanOrEqual(locationCharsMax);
  });

  it('is refused in another account or container', () => {
    const location = new LocationEncoder(scope, 'p').encode(block);
    expect(faultOf(location, locationScope('https://account.example', 'other'))).toContain('another account_url');
    expect(faultOf(location, locationScope('https://account.examplep', 'rompts'))).toContain('another account_url');
  });

  it('is refused with any bit flipped', () => {
    const bytes = Buffer.from(new LocationEncoder(scope, 'partition').encode(block), 'base64url');
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(faultOf(damaged.toString('base64url'))).not.toBe('none');
    }
  });

  it('is refused cut short, with foreign characters, and in the form of tokens', () => {
    const location = new LocationEncoder(scope, '').encode(block);
    expect(faultOf(location.slice(0, -4))).toContain('not one that Lookup gave');
    expect(faultOf(`${location}=`)).toContain('base64url');
    expect(faultOf('')).toContain('base64url');
    expect(faultOf('x'.repeat(locationCharsMax + 1))).toContain('at most');
    expect(faultOf(Buffer.alloc(512).toString('base64url'))).toContain('only tokens');
  });
});
