/** The options of SET and GETEX, read as Redis does: words in any order, repeated ones allowed, contrary ones not. */
import type { ReplyError } from '../../commands/reply.ts';
import { syntaxError, wordOf } from './arguments.ts';
import { parseLifetime, type TimeUnit, timeUnits } from './times.ts';

export interface SetOptions {
  /** As written: what is wrong with it is said when the key has been looked at. */
  readonly time: { readonly written: Buffer; readonly unit: TimeUnit } | undefined;
  readonly keepsExpiry: boolean;
  readonly condition: 'always' | 'absent' | 'present';
  /** SET … GET: the answer is the value that was there. */
  readonly returnsOld: boolean;
}

export function parseSetOptions(args: readonly Buffer[]): SetOptions | ReplyError {
  let time: SetOptions['time'];
  let timeWord = '';
  let keepsExpiry = false;
  let condition: SetOptions['condition'] = 'always';
  let returnsOld = false;
  for (let index = 2; index < args.length; index++) {
    const word = wordOf(args[index]!);
    const unit = timeUnits.get(word);
    if (unit !== undefined && index + 1 < args.length && !keepsExpiry && (timeWord === '' || timeWord === word)) {
      index += 1;
      time = { written: args[index]!, unit };
      timeWord = word;
    } else if (word === 'KEEPTTL' && time === undefined) {
      keepsExpiry = true;
    } else if (word === 'NX' && condition !== 'present') {
      condition = 'absent';
    } else if (word === 'XX' && condition !== 'absent') {
      condition = 'present';
    } else if (word === 'GET') {
      returnsOld = true;
    } else {
      return syntaxError;
    }
  }
  return { time, keepsExpiry, condition, returnsOld };
}

/** What GETEX makes of the expiry: a time, none (`persists`), or nothing. */
export interface GetexOptions {
  readonly time: SetOptions['time'];
  readonly persists: boolean;
}

export function parseGetexOptions(args: readonly Buffer[]): GetexOptions | ReplyError {
  let time: GetexOptions['time'];
  let timeWord = '';
  let persists = false;
  for (let index = 1; index < args.length; index++) {
    const word = wordOf(args[index]!);
    const unit = timeUnits.get(word);
    if (unit !== undefined && index + 1 < args.length && !persists && (timeWord === '' || timeWord === word)) {
      index += 1;
      time = { written: args[index]!, unit };
      timeWord = word;
    } else if (word === 'PERSIST' && time === undefined) {
      persists = true;
    } else {
      return syntaxError;
    }
  }
  return { time, persists };
}

/** The absolute time that the options ask for, 0 for none. */
export function expiryOf(time: SetOptions['time'], nowMs: number, command: string): number | ReplyError {
  return time === undefined ? 0 : parseLifetime(time.written, time.unit, nowMs, command);
}
