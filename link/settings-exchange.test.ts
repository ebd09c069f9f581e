/** The exchange with the settings of real shards; the link between them is a call. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { changeSettings, settingsCommands } from '../process/settings-commands.ts';
import { KeptSettings } from '../settings/kept.ts';
import { LiveSettings } from '../settings/live.ts';
import { loadSettings } from '../settings/load.ts';
import { InternalExecutor } from './internal-executor.ts';
import { SettingsExchange, type SettingsLink } from './settings-exchange.ts';

let folder: string;
let faults: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-exchange-'));
  faults = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

class Shard implements SettingsLink {
  readonly shard: string;
  readonly live: LiveSettings;
  readonly kept: KeptSettings;
  state: SettingsLink['state'] = 'ready';
  readonly #executor: InternalExecutor;

  constructor(name: string, flags: Record<string, unknown> = {}) {
    this.shard = name;
    this.live = new LiveSettings(loadSettings({ role: 'shard', flags, environment: {} }), 'shard');
    this.kept = new KeptSettings(this.live, join(folder, name));
    this.#executor = new InternalExecutor(settingsCommands(this.kept));
  }

  submit: SettingsLink['submit'] = (command, context, _, sink, token) => {
    void Promise.resolve(this.#executor.execute(command, context)).then((reply) => sink.reply(token, reply));
  };

  get batchSize(): number {
    return this.live.current['eviction.batch_size'];
  }
}

const exchangeOf = (...shards: Shard[]): SettingsExchange =>
  new SettingsExchange(
    () => shards,
    (shard, message) => faults.push(`${shard}: ${message}`),
  );

/** As a router does it at each of these. */
async function setBatchSize(size: number, stamp: number, ...shards: Shard[]): Promise<void> {
  const args = [`{"eviction.batch_size":${size}}`, 'AT', `${stamp}`].map((text) => Buffer.from(text));
  const replies: Reply[] = await Promise.all(shards.map(({ kept }) => changeSettings(kept, args)));
  expect(replies).toEqual(shards.map(() => 'OK'));
}

test('a shard that joins gets what was changed at the others, and keeps it over a restart', async () => {
  const [first, second] = [new Shard('first'), new Shard('second')];
  await setBatchSize(7, 1, first, second);
  const joining = new Shard('joining');
  await exchangeOf(first, second, joining).onReady();
  expect(joining.batchSize).toBe(7);
  expect(new Shard('joining').batchSize).toBe(7);
});

test('the newest change wins, however many routers hand changes on', async () => {
  const shards = [new Shard('a'), new Shard('b'), new Shard('c')] as const;
  await setBatchSize(7, 1, shards[0]);
  await setBatchSize(8, 2, shards[1]);
  await setBatchSize(9, 2, shards[2]);
  await Promise.all([exchangeOf(...shards).onReady(), exchangeOf(...shards.toReversed()).onReady()]);
  expect(shards.map(({ batchSize }) => batchSize)).toEqual([9, 9, 9]);
  await setBatchSize(5, 1, ...shards);
  expect(shards.map(({ batchSize }) => batchSize)).toEqual([9, 9, 9]);
});

test('a change back reaches a shard that still has the change', async () => {
  const [first, late] = [new Shard('first'), new Shard('late')];
  await setBatchSize(7, 1, first, late);
  await setBatchSize(100, 2, first);
  await exchangeOf(first, late).onReady();
  expect(late.batchSize).toBe(100);
  // And after a restart of the one that knows it.
  const [again, latest] = [new Shard('first'), new Shard('latest')];
  await setBatchSize(6, 1, latest);
  await exchangeOf(again, latest).onReady();
  expect(latest.batchSize).toBe(100);
});

test('a shard that was started with another value keeps that', async () => {
  const [first, other] = [new Shard('first'), new Shard('other', { 'eviction-batch-size': '50' })];
  await setBatchSize(7, 1, first);
  await exchangeOf(first, other).onReady();
  expect(other.batchSize).toBe(50);
});

test('what was changed at one shard alone stays there, until all are changed', async () => {
  const [first, second] = [new Shard('first'), new Shard('second')];
  await setBatchSize(7, 1, first, second);
  await first.kept.update('{"eviction.batch_size":8,"log_level":"debug"}');
  await exchangeOf(first, second).onReady();
  expect([first.batchSize, second.batchSize, second.live.current['log_level']]).toEqual([8, 7, 'info']);
  expect(new Shard('first').batchSize).toBe(8);
  await setBatchSize(9, 2, second);
  await exchangeOf(first, second).onReady();
  expect([first.batchSize, second.batchSize]).toEqual([9, 9]);
});

test('a change that does not fit a shard is left out there, and the others are made', async () => {
  const withBlob = new Shard('first', { 'blob-account-url': 'https://a' });
  const args = ['{"acknowledgement":"blob","eviction.batch_size":7}', 'AT', '1'].map((text) => Buffer.from(text));
  expect(await changeSettings(withBlob.kept, args)).toBe('OK');
  const joining = new Shard('joining');
  await exchangeOf(withBlob, joining).onReady();
  expect([joining.live.current.acknowledgement, joining.batchSize]).toEqual(['memory', 7]);
});

test('shards that are away or answer nothing of use are passed over', async () => {
  const [first, away, odd, joining] = [new Shard('a'), new Shard('b'), new Shard('c'), new Shard('d')];
  await setBatchSize(7, 1, first);
  away.state = 'away';
  odd.submit = (_, __, ___, sink, token) => sink.reply(token, new ReplyError('ERR', 'what is that?'));
  await exchangeOf(first, away, odd, joining).onReady();
  expect([away.batchSize, joining.batchSize]).toEqual([100, 7]);
  expect(faults).toEqual(['c: what is that?']);
});

test('a change of now is later than any before, whatever the clock says', async () => {
  const first = new Shard('first');
  const exchange = exchangeOf(first);
  const before = Date.now();
  expect(await exchange.nextStamp()).toBeGreaterThanOrEqual(before);
  const future = before + 3_600_000;
  await setBatchSize(7, future, first);
  expect(await exchange.nextStamp()).toBe(future + 1);
});

test('only CHECK, AT with a time, or nothing may follow a change', async () => {
  const { kept } = new Shard('first');
  for (const words of [['AT'], ['AT', 'x'], ['AT', '-1'], ['CHECK', '1'], ['NOW']]) {
    const reply = await changeSettings(
      kept,
      ['{}', ...words].map((text) => Buffer.from(text)),
    );
    expect(reply).toMatchObject({ code: 'ERR' });
  }
});
