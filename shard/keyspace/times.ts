/** Times of expiry as commands give them: EX, PX, EXAT, PXAT and the arguments of the EXPIRE family. */
import { ReplyError } from '../../commands/reply.ts';
import { notAnInteger } from './arguments.ts';
import { int64Max, int64Min, parseInt64 } from '../../commands/int64.ts';

/** How a time counts: absolute or from now, in milliseconds or seconds. */
export interface TimeUnit {
  readonly isRelative: boolean;
  readonly factorMs: number;
}

export const timeUnits: ReadonlyMap<string, TimeUnit> = new Map([
  ['PXAT', { isRelative: false, factorMs: 1 }],
  ['PX', { isRelative: true, factorMs: 1 }],
  ['EXAT', { isRelative: false, factorMs: 1_000 }],
  ['EX', { isRelative: true, factorMs: 1_000 }],
]);

/** All of 1970 and before: zero would mean never, and further back milliseconds are not exact. */
const distantPastMs = -1;

/**
 * An absolute time in milliseconds, never 0, or an error that names the command. The time may lie in the past. Beyond the safe
 * integers, 287,000 years from now, it is refused, where Redis goes on to 2^63.
 */
export function parseTime(bytes: Buffer, unit: TimeUnit, nowMs: number, command: string): number | ReplyError {
  const value = parseInt64(bytes);
  if (value === undefined) return notAnInteger;
  const factor = BigInt(unit.factorMs);
  if (value > int64Max / factor || value < int64Min / factor) return invalidExpireTime(command);
  const timeMs = Number(value * factor) + (unit.isRelative ? nowMs : 0);
  if (timeMs <= 0) return distantPastMs;
  return Number.isSafeInteger(timeMs) ? timeMs : invalidExpireTime(command);
}

/** The same for SET and its like, which take no time before 1970 and no life of nothing. */
export function parseLifetime(bytes: Buffer, unit: TimeUnit, nowMs: number, command: string): number | ReplyError {
  const value = parseInt64(bytes);
  if (value === undefined) return notAnInteger;
  return value <= 0n ? invalidExpireTime(command) : parseTime(bytes, unit, nowMs, command);
}

export function invalidExpireTime(command: string): ReplyError {
  return new ReplyError('ERR', `invalid expire time in '${command}' command`);
}
