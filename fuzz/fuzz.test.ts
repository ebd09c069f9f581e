/** The short form of `npm run fuzz`: ten thousand frames a door against a real shard, and against a router with three. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attack } from './attack.ts';
import { attackedDoors, placeWitness } from './doors.ts';
import { type AttackedProcess, requireBounded, startRouter, startShard } from './processes.ts';

const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-fuzz-'));
afterAll(() => rmSync(dataPath, { recursive: true, force: true }));

// The doors are the same code on both; at the router they meet other executors, and uploads.
describe.each([
  { where: 'a shard', start: () => startShard(dataPath), doors: ['resp', 'http', 'tcp', 'grpc'] },
  { where: 'a router with three shards', start: startRouter, doors: ['router-resp', 'router-tcp'] },
])('$where', ({ start, doors }) => {
  let target: AttackedProcess;

  beforeAll(async () => {
    target = await start();
    await placeWitness(target);
  }, 60_000);
  afterAll(() => target?.dispose());

  test.each(doors)(
    'ten thousand frames at %s: others are served, and nothing stored is harmed',
    async (name) => {
      const door = attackedDoors(target, target.prefix).find((each) => each.name === name)!;
      const report = await attack(door, { seed: 1, frames: 10_000 });
      expect(report.frames).toBe(10_000);
      // Frames that are wrong end connections; the others do not, or the door would answer nothing at all.
      expect(report.closed).toBeGreaterThan(10);
      expect(report.closed).toBeLessThan(10_000);
    },
    120_000,
  );

  test(
    'no more memory was taken than memory.limit promises, and all ends as it should',
    async () => requireBounded(await target.end()),
    60_000,
  );
});
