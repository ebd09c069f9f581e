/** How a shard ends: in order under load, at once at a second signal, and not later than its grace period. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import { KvcacheError } from '../errors.ts';
import { signalRepeatMs } from '../limits.ts';
import { exitCodes } from '../process/exit-codes.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { ShardProcess } from './shard-process.ts';
import { valueOf, versionOf } from './values.ts';

const valueBytes = 20_000;

let azurite: TestAzurite;
let shard: ShardProcess;

beforeAll(async () => {
  azurite = await startTestAzurite();
});
afterAll(() => azurite.remove());
beforeEach(async () => {
  shard = await ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-end-')),
    settings: {
      'blob.connection_string': azurite.azurite.connectionString,
      'blob.container': azurite.newContainerName(),
      'shutdown.grace': '15s',
    },
  });
});
afterEach(async () => {
  await shard.dispose();
  azurite.azurite.resume();
});

/** Writes new keys until the shard takes no more; resolves with those that it acknowledged. */
async function writeUntilRefused(onFirst: () => void): Promise<{ acknowledged: string[]; refusals: Set<string> }> {
  const client = shard.keyClient({ retry: { attemptsMax: 1 }, timeoutMs: 20_000 });
  const acknowledged: string[] = [];
  const refusals = new Set<string>();
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let number = 0; ; number++) {
      const key = `key-${lane}-${number}`;
      try {
        await client.set(key, valueOf(key, 1, valueBytes));
      } catch (error) {
        if (!(error instanceof KvcacheError)) throw error;
        refusals.add(error.code);
        return;
      }
      acknowledged.push(key);
      if (acknowledged.length === 200) onFirst();
    }
  });
  await Promise.all(lanes);
  return { acknowledged, refusals };
}

async function expectAll(keys: readonly string[]): Promise<void> {
  const client = shard.keyClient();
  await forEachInWindow(keys, 16, async (key) => {
    expect(versionOf(key, (await client.get(key))!)).toBe(1);
  });
}

test('SIGTERM under load ends with 0 within the grace period, and everything acknowledged is in Blob', async () => {
  const writing = writeUntilRefused(() => shard.signal('SIGTERM'));
  expect(await shard.ended).toEqual({ code: 0, signal: null });
  const { acknowledged, refusals } = await writing;
  // A call that was cut off or came too late is told so; none is left without an answer.
  for (const code of refusals) expect(['SHUTDOWN', 'UNAVAILABLE']).toContain(code);
  shard.loseDisk();
  await shard.restart();
  await expectAll(acknowledged);
});

test('a second signal ends it at once, and what it had not flushed is on its disk', async () => {
  const { acknowledged } = await withBlobSilent(async () => {
    const writing = writeUntilRefused(() => shard.signal('SIGTERM'));
    await shard.untilSaid('stopping');
    const written = await writing;
    // Signals of one moment count as one.
    await delay(2 * signalRepeatMs);
    expect(await shard.end('SIGTERM')).toEqual({ code: exitCodes.terminated, signal: null });
    return written;
  });
  await shard.restart();
  await expectAll(acknowledged);
});

test('an end that Blob keeps waiting is over after the grace period, and says what is left', async () => {
  await shard.end('SIGTERM');
  await shard.restart({ 'shutdown.grace': '1s' });
  const { acknowledged } = await withBlobSilent(async () => {
    const writing = writeUntilRefused(() => shard.signal('SIGTERM'));
    expect(await shard.ended).toEqual({ code: exitCodes.failed, signal: null });
    return writing;
  });
  expect(shard.said()).toContain('not done within shutdown.grace');
  await shard.restart();
  await expectAll(acknowledged);
});

test('an end without Blob says by its exit code that not all is there, and all is on its disk', async () => {
  await azurite.azurite.stop();
  try {
    const writing = writeUntilRefused(() => shard.signal('SIGTERM'));
    expect(await shard.ended).toEqual({ code: exitCodes.failed, signal: null });
    expect(shard.said()).toContain('on this disk alone');
    await azurite.azurite.restart();
    await shard.restart();
    await expectAll((await writing).acknowledged);
  } finally {
    if (azurite.azurite.pid === undefined) await azurite.azurite.restart();
  }
});

async function withBlobSilent<Result>(action: () => Promise<Result>): Promise<Result> {
  azurite.azurite.pause();
  try {
    return await action();
  } finally {
    azurite.azurite.resume();
  }
}
