import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Acknowledgement, libraryContext } from '../../commands/command.ts';
import type { Reply } from '../../commands/reply.ts';
import { systemClock } from '../clock.ts';
import { HotTier } from '../hot/hot-tier.ts';
import { openStorage, type Storage } from '../storage/storage.ts';
import { roomyStorage, temporaryFolder } from '../../testing/store.ts';
import { Engine } from './engine.ts';
import { KeyIndex } from './key-index.ts';

const MiB = 1024 * 1024;

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = temporaryFolder('flush');
});
afterEach(() => folder.remove());

/** An engine over a log on the disk. */
async function open(): Promise<{ engine: Engine; storage: Storage }> {
  const hot = new HotTier({ limitBytes: 64 * MiB });
  const index = new KeyIndex(hot, systemClock);
  const storage = await openStorage({ ...roomyStorage(folder.path, index), segmentBytes: MiB });
  const options = { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: MiB } as const;
  return { engine: new Engine({ clock: systemClock, index, hot, journal: storage, options }), storage };
}

async function run(engine: Engine, level: Acknowledgement, name: string, ...args: (string | Buffer)[]): Promise<Reply> {
  return engine.execute({ name, args: args.map((argument) => Buffer.from(argument)) }, libraryContext(10_000, level));
}

/** As a SIGKILL leaves it: nothing more is written, no segment is sealed. */
async function kill({ engine, storage }: { engine: Engine; storage: Storage }): Promise<void> {
  engine.close();
  storage.fence('killed');
  await storage.close({ flush: false });
}

test('after FLUSHALL and a SIGKILL there is no key, and what was written since is', async () => {
  const first = await open();
  for (let number = 0; number < 3_000; number++)
    await run(first.engine, 'memory', 'SET', `key-${number}`, 'v'.repeat(700));
  await run(first.engine, 'memory', 'SET', '', 'of a key without a byte');
  const block = Buffer.alloc(36, 7);
  await run(first.engine, 'memory', 'BLOCK.PUT', block, 'meta', 'body');
  expect(await run(first.engine, 'disk', 'FLUSHALL')).toBe('OK');
  await run(first.engine, 'disk', 'SET', 'key-7', 'young');
  await kill(first);

  const second = await open();
  expect(await run(second.engine, 'memory', 'DBSIZE')).toBe(1);
  expect(await run(second.engine, 'memory', 'GET', 'key-7')).toEqual(Buffer.from('young'));
  expect(await run(second.engine, 'memory', 'BLOCK.GET', block)).toEqual([Buffer.from('meta'), Buffer.from('body')]);
  await kill(second);
});

test('a key without a byte is recovered as any other', async () => {
  const first = await open();
  await run(first.engine, 'memory', 'SET', '', 'old');
  await run(first.engine, 'disk', 'APPEND', '', ' and new');
  await kill(first);
  const second = await open();
  expect(await run(second.engine, 'memory', 'GET', '')).toEqual(Buffer.from('old and new'));
  await second.storage.log.roll();
  await run(second.engine, 'disk', 'GETDEL', '');
  await kill(second);
  const third = await open();
  expect(await run(third.engine, 'memory', 'EXISTS', '')).toBe(0);
  await kill(third);
});
