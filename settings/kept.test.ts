import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptSettings } from './kept.ts';
import { LiveSettings } from './live.ts';
import { loadSettings } from './load.ts';

let folder: string;
let path: string;
let warnings: object[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-kept-'));
  path = join(folder, 'settings.json');
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const log = { info: () => undefined, warn: (fields: object) => warnings.push(fields) };

/** A process that starts with these flags. */
function start(flags: Record<string, unknown> = {}): { live: LiveSettings; kept: KeptSettings } {
  const live = new LiveSettings(loadSettings({ role: 'shard', flags, environment: {} }), 'shard');
  return { live, kept: new KeptSettings(live, path, log) };
}

test('a change is in force after a restart', async () => {
  const first = start({ 'blob-retention-age': '2h' });
  expect(await first.kept.update('{"eviction":{"batch_size":7},"blob.retention_age":3600}')).toBeUndefined();
  const { live } = start({ 'blob-retention-age': '2h' });
  expect([live.current['eviction.batch_size'], live.current['blob.retention_age']]).toEqual([7, 3_600_000]);
});

test('a change is dropped once the process is started with another value', async () => {
  await start().kept.update('{"eviction.batch_size":7,"log_level":"debug"}');
  const { live } = start({ 'eviction-batch-size': '50' });
  expect([live.current['eviction.batch_size'], live.current['log_level']]).toEqual([50, 'debug']);
  expect(warnings).toEqual([{ setting: 'eviction.batch_size', fault: 'it was started with another value' }]);
});

test('a change back leaves nothing behind, and a refused one changes nothing', async () => {
  const { kept } = start();
  await kept.update('{"eviction.batch_size":7}');
  await kept.update('{"eviction.batch_size":100}');
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ version: 1, changes: {} });
  expect(await kept.update('{"eviction.batch_size":7,"disk.size":"1GiB"}')).toContain('disk.size does not change');
  expect(start().live.current['eviction.batch_size']).toBe(100);
});

test('changes at one time are all kept', async () => {
  const { kept } = start();
  const faults = await Promise.all([
    kept.update('{"eviction.batch_size":7}'),
    kept.update('{"log_level":"debug"}'),
    kept.update('{"blob.full_wait":9}'),
  ]);
  expect(faults).toEqual([undefined, undefined, undefined]);
  const { current } = start().live;
  expect([current['eviction.batch_size'], current['log_level'], current['blob.full_wait']]).toEqual([
    7,
    'debug',
    9_000,
  ]);
});

test('a change that cannot be kept is not made', async () => {
  const { live, kept } = start();
  rmSync(folder, { recursive: true });
  expect(await kept.update('{"eviction.batch_size":7}')).toMatch(/could not be kept, and was not made/);
  expect(live.current['eviction.batch_size']).toBe(100);
});

test('a change that no longer fits is left out with a warning, and a damaged file is refused', async () => {
  await start({ 'blob-account-url': 'https://a' }).kept.update('{"acknowledgement":"blob"}');
  expect(start().live.current.acknowledgement).toBe('memory');
  expect(warnings).toMatchObject([{ setting: 'acknowledgement' }]);
  writeFileSync(path, '{"version":1');
  expect(() => start()).toThrow(/is damaged .*: remove it to go on with the settings that were given/);
  writeFileSync(path, '{"version":2,"changes":{}}');
  expect(() => start()).toThrow(/does not keep changed settings of this version/);
});
