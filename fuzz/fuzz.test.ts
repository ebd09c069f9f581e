/** The short form of `npm run fuzz`: ten thousand frames a door against a real shard. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShardProcess } from '../acceptance/shard-process.ts';
import { attack } from './attack.ts';
import { attackedDoors, placeWitness } from './doors.ts';

const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-fuzz-'));
let shard: ShardProcess;

beforeAll(async () => {
  shard = await ShardProcess.start({ dataPath, settings: { 'memory.limit': '256MiB' } });
  await placeWitness(shard);
});
afterAll(async () => {
  await shard?.dispose();
  rmSync(dataPath, { recursive: true, force: true });
});

test.each(['resp', 'http', 'tcp', 'grpc'])(
  'ten thousand frames at %s: others are served, and nothing stored is harmed',
  async (name) => {
    const door = attackedDoors(shard).find((each) => each.name === name)!;
    const report = await attack(door, { seed: 1, frames: 10_000 });
    expect(report.frames).toBe(10_000);
    // Frames that are wrong end connections; the others do not, or the door would answer nothing at all.
    expect(report.closed).toBeGreaterThan(10);
    expect(report.closed).toBeLessThan(10_000);
  },
  120_000,
);

test('the shard ends as it should', async () => {
  expect(await shard.end('SIGTERM')).toEqual({ code: 0, signal: null });
});
