/**
 * Every process of a cluster is killed in turn while many clients write and read: what was acknowledged stays, at the
 * level at which it was acknowledged, and clients recover by themselves.
 *
 * Reads are set to fail while a shard is away instead of to miss, so that a miss always means a value that is gone.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTopology } from '../topology/document.ts';
import { slotOf } from '../topology/slot.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { TestCluster } from './cluster.ts';
import { Load } from './load.ts';
import { Metrics } from './metrics.ts';

const shards = ['shard-0', 'shard-1', 'shard-2'];
/** Azurite saves what it has acknowledged every five seconds; what is younger goes with a SIGKILL. */
const unsavedMs = 2_000;

let cluster: TestCluster;
let load: Load;

beforeAll(async () => {
  cluster = await TestCluster.start({ args: ['--router-unavailable-reads', 'error', '--log-segment-size', '8MiB'] });
  const slots = new SlotMap(parseTopology(readFileSync(join(cluster.dataPath, 'topology.json'), 'utf8')));
  // They try again for longer than a router waits between two attempts to reach a shard.
  const patient = { timeoutMs: 10_000, retry: { attemptsMax: 30 } };
  load = new Load({
    keys: cluster.keyClient(patient),
    prompts: cluster.promptClient(patient),
    shardOf: (key) => slots.ownerOf(slotOf(Buffer.from(key))),
  });
  load.start();
  await load.progress();
});
afterAll(() => cluster.dispose());

function metricsOf(id: string): Promise<Metrics> {
  return Metrics.of(cluster.process(id).addresses.http!);
}

/** Waits until the last save of Azurite is so old that a kill loses something for certain. */
async function untilMuchIsUnsaved(): Promise<void> {
  const path = join(cluster.process('azurite').dataDirectory, '__azurite_db_blob__.json');
  const ageMs = (): number => Date.now() - statSync(path).mtimeMs;
  // First the next save, and then what came behind it.
  await expect.poll(ageMs, { timeout: 20_000, interval: 20 }).toBeLessThan(unsavedMs / 2);
  await expect.poll(ageMs, { timeout: 20_000, interval: 20 }).toBeGreaterThan(unsavedMs);
}

describe('under load', () => {
  test.each(shards)('SIGKILL of %s loses nothing acknowledged, and clients recover by themselves', async (id) => {
    load.noteKill(id);
    await cluster.restart(id);
    await load.progress();
    expect(load.violations).toEqual([]);
  });

  test('SIGKILL of the router loses nothing acknowledged, and clients recover by themselves', async () => {
    await cluster.restart('router');
    await load.progress();
    expect(load.violations).toEqual([]);
  });

  test('SIGTERM of Azurite loses nothing acknowledged, and clients recover by themselves', async () => {
    await cluster.restart('azurite', 'SIGTERM');
    await load.progress();
    expect(load.violations).toEqual([]);
  });

  test('SIGKILL of Azurite makes it forget, and shards notice', async () => {
    await untilMuchIsUnsaved();
    await cluster.restart('azurite');
    await load.progress();
    expect(load.violations).toEqual([]);
  });
});

describe('afterwards', () => {
  test('everything acknowledged is there, byte for byte', async () => {
    await load.stop();
    expect(load.acknowledged).toBeGreaterThan(500);
    expect(await load.check()).toEqual([]);
  });

  test('what Azurite had forgotten is in Blob again: lost disks cost nothing', async () => {
    // Each shard compares all it has in Blob once more, eight seconds after its last commit.
    const last = Array.from({ length: 100 }, (_, index) => [`last-${index}`, 'written'] as const);
    await cluster.keyClient().mset(last, { acknowledgement: 'blob' });
    const verifications = async (): Promise<number[]> => {
      const metrics = await Promise.all(shards.map(metricsOf));
      return metrics.map((of) => of.value('kvcache_blob_verifications_total'));
    };
    const before = await verifications();
    await expect
      .poll(async () => (await verifications()).every((count, index) => count > before[index]!), { timeout: 25_000 })
      .toBe(true);
    await cluster.keyClient().flush('blob');
    const lost = await Promise.all(
      shards.map(async (id) => (await metricsOf(id)).value('kvcache_blob_lost_segments_total')),
    );
    expect(lost.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
    await Promise.all(shards.map((id) => cluster.wipe(id)));
    expect(await load.check()).toEqual([]);
  });
});
