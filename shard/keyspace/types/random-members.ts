/**
 * HRANDFIELD, SRANDMEMBER, ZRANDMEMBER: places taken at random. With a count from 0 up, that many different ones at most;
 * with a count below 0, exactly that many, which may repeat.
 */
import { randomInt } from 'node:crypto';
import { ReplyError } from '../../../commands/reply.ts';
import { randomMembersMax } from '../../../limits.ts';
import { notAnInteger } from '../arguments.ts';
import { parseCount } from '../../../commands/int64.ts';

const outOfRange = new ReplyError('ERR', 'value is out of range');

/** The count of such a command. */
export function parseRandomCount(argument: Buffer): number | ReplyError {
  const count = parseCount(argument);
  if (count === undefined) return notAnInteger;
  return count < -randomMembersMax ? outOfRange : count;
}

/** Places of a collection of `size`, one or more. */
export function randomPlaces(size: number, count: number): number[] {
  if (count < 0) return Array.from({ length: -count }, () => randomInt(size));
  if (count >= size) return Array.from({ length: size }, (_, place) => place);
  // Floyd's algorithm: as many draws as places, whatever the size.
  const chosen = new Set<number>();
  for (let last = size - count; last < size; last++) {
    const place = randomInt(last + 1);
    chosen.add(chosen.has(place) ? last : place);
  }
  return [...chosen];
}
