/** SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]: the options, for shards and routers alike. */
import { ReplyError } from './reply.ts';

export interface ScanOptions {
  readonly pattern: Buffer | undefined;
  /** Keys of a page, about; 10 if nothing is said, as in Redis. */
  readonly count: number;
  /** In lower case, as TYPE answers. One that there is none of matches nothing. */
  readonly type: string | undefined;
}

const countDefault = 10;
const syntaxError = new ReplyError('ERR', 'syntax error');

export function parseScanOptions(args: readonly Buffer[]): ScanOptions | ReplyError {
  let pattern: Buffer | undefined;
  let count = countDefault;
  let type: string | undefined;
  for (let index = 1; index < args.length; index += 2) {
    const word = args[index]!.toString('latin1', 0, 8).toUpperCase();
    const value = args[index + 1];
    if (value === undefined) return syntaxError;
    if (word === 'MATCH') {
      pattern = value;
    } else if (word === 'COUNT') {
      const text = value.toString('latin1', 0, 20);
      if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) {
        return new ReplyError('ERR', 'value is not an integer or out of range');
      }
      count = Number(text);
      if (count < 1) return syntaxError;
    } else if (word === 'TYPE') {
      type = value.toString('latin1').toLowerCase();
    } else {
      return syntaxError;
    }
  }
  return { pattern, count, type };
}
