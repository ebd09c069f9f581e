import { expect, test } from 'vitest';
import type { ShardInfo } from '../../shard/info.ts';
import { settled, topology } from '../../topology/place.ts';
import { MoveMeter } from './scale-progress.ts';

const members = ['shard-0', 'shard-1'].map((name) => ({ name, address: 'localhost:1' }));
const moving = topology(topology(undefined, members.slice(0, 1)), members);
const slots = 8_192;

interface Seen {
  readonly pid?: number;
  readonly epoch?: number;
  readonly open?: number;
  readonly left?: number;
  readonly moved?: number;
}

/** What the shard that gets everything reports. */
function target({ pid = 1, epoch = moving.epoch, open = slots, left = 0, moved = 0 }: Seen): ShardInfo[] {
  const handover = { slotsOpen: open, keysLeft: left / 100, bytesLeft: left, bytesMoved: moved };
  return [{ name: 'shard-1', pid, epoch, handover } as unknown as ShardInfo];
}

test('slots that open count a fifth, and their values the rest', () => {
  const meter = new MoveMeter();
  expect(meter.read(moving, target({ open: 0 }))).toMatchObject({ slotsMoving: slots, slotsOpen: 0, fraction: 0 });
  expect(meter.read(moving, target({ open: slots / 2, left: 500 })).fraction).toBeCloseTo(0.1);
  expect(meter.read(moving, target({ left: 1_000 })).fraction).toBeCloseTo(0.2);
  const half = meter.read(moving, target({ left: 500, moved: 500 }));
  expect(half).toMatchObject({ keysLeft: 5, bytesLeft: 500, bytesMoved: 500 });
  expect(half.fraction).toBeCloseTo(0.6);
  expect(meter.read(moving, target({ moved: 1_000 })).fraction).toBe(1);
});

test('what a killed shard had counted is not lost, and what one counted before the change does not count', () => {
  const meter = new MoveMeter();
  expect(meter.read(moving, target({ left: 1_000, moved: 7_000 })).bytesMoved).toBe(0);
  expect(meter.read(moving, target({ left: 600, moved: 7_400 })).bytesMoved).toBe(400);
  expect(meter.read(moving, target({ pid: 2, left: 500, moved: 100 })).bytesMoved).toBe(500);
});

test('the fraction never goes back, and begins anew with the next topology', () => {
  const meter = new MoveMeter();
  const before = meter.read(moving, target({ open: slots / 2 })).fraction;
  expect(meter.read(moving, []).fraction).toBe(before);
  expect(meter.read(moving, target({ open: slots / 2, left: 9_000 })).fraction).toBe(before);
  expect(meter.read({ ...moving, epoch: 9 }, target({ open: 0 })).fraction).toBe(0);
  expect(meter.read(settled(moving), [])).toMatchObject({ slotsMoving: 0, fraction: 1 });
});
