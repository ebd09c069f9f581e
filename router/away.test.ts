/** What reads answer without their shard, held against what an engine answers of a key that it does not have. */
import { afterAll, expect, test } from 'vitest';
import { libraryContext } from '../commands/command.ts';
import { commandTable } from '../commands/table.ts';
import { MemoryCache } from '../testing/memory-cache.ts';
import { answerWithoutShard } from './away.ts';

const policy = { unavailableReads: 'miss', unavailableWrites: 'error' } as const;
const digest = Buffer.alloc(20);
const blockKey = Buffer.alloc(36);

/** Arguments by command, where one key is not all that it takes: each line is a call. */
const calls: Readonly<Record<string, readonly (readonly (string | Buffer)[])[]>> = {
  GETRANGE: [['k', '0', '-1']],
  SUBSTR: [['k', '0', '-1']],
  MGET: [['k', 'l']],
  EXISTS: [['k', 'l']],
  TOUCH: [['k', 'l']],
  OBJECT: [['ENCODING', 'k']],
  MEMORY: [['USAGE', 'k']],
  'VALUE.MGET': [['k', 'l']],
  'BLOCK.GET': [[blockKey]],
  'BLOCK.VERSIONS': [[digest, '0', Buffer.alloc(20, 1), '1']],
  HGET: [['k', 'f']],
  HMGET: [
    ['k', 'f'],
    ['k', 'f', 'g', 'f'],
  ],
  HSTRLEN: [['k', 'f']],
  HEXISTS: [['k', 'f']],
  HRANDFIELD: [['k'], ['k', '2'], ['k', '2', 'WITHVALUES']],
  HSCAN: [['k', '0']],
  SISMEMBER: [['k', 'm']],
  SMISMEMBER: [
    ['k', 'm'],
    ['k', 'm', 'n', 'm'],
  ],
  SRANDMEMBER: [['k'], ['k', '-2']],
  SSCAN: [['k', '0']],
  SINTERCARD: [['2', 'k', 'l']],
  LRANGE: [['k', '0', '-1']],
  LINDEX: [['k', '0']],
  LPOS: [
    ['k', 'e'],
    ['k', 'e', 'RANK', '2'],
    ['k', 'e', 'RANK', '-1', 'count', '0'],
  ],
  ZSCORE: [['k', 'm']],
  ZMSCORE: [['k', 'm', 'n']],
  ZCOUNT: [['k', '-inf', '+inf']],
  ZLEXCOUNT: [['k', '-', '+']],
  ZRANGE: [
    ['k', '0', '-1'],
    ['k', '0', '-1', 'WITHSCORES'],
  ],
  ZREVRANGE: [['k', '0', '-1']],
  ZRANGEBYSCORE: [['k', '-inf', '+inf']],
  ZREVRANGEBYSCORE: [['k', '+inf', '-inf']],
  ZRANGEBYLEX: [['k', '-', '+']],
  ZREVRANGEBYLEX: [['k', '+', '-']],
  ZRANK: [
    ['k', 'm'],
    ['k', 'm', 'WITHSCORE'],
  ],
  ZREVRANK: [['k', 'm']],
  ZRANDMEMBER: [['k'], ['k', '2', 'WITHSCORES']],
  ZSCAN: [['k', '0']],
  ZINTER: [['2', 'k', 'l']],
  ZUNION: [['2', 'k', 'l', 'WITHSCORES']],
  ZDIFF: [['2', 'k', 'l']],
  ZINTERCARD: [['2', 'k', 'l']],
};

const cache = new MemoryCache();
afterAll(() => cache.close());

// BLOCK.INFO is the shard's own: no engine has it.
const reads = [...commandTable.values()].filter(
  ({ writes, keys, name }) => !writes && keys !== undefined && name !== 'BLOCK.INFO',
);

test.each(reads)('$name answers without its shard as it does of a key that is not there', async (spec) => {
  for (const args of calls[spec.name] ?? [['k']]) {
    const command = { name: spec.name, args: args.map((argument) => Buffer.from(argument as string)) };
    const absent = await cache.engineReply(command, libraryContext(1_000));
    expect(answerWithoutShard(spec, command, policy)).toEqual({ reply: absent });
  }
});
