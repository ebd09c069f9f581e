import { describe, expect, test } from 'vitest';
import { abandoned, nextStep, removable, type ProcessReport } from './change.ts';
import { isMoving, topology } from './place.ts';
import type { Topology, TopologyShard } from './topology.ts';

const membersOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `shard-${index}`, address: `127.0.0.1:${7000 + index}` }));

const reportsOf = (count: number, epoch: number, hasArrived = true): ProcessReport[] =>
  membersOf(count).map(({ name }) => ({ name, epoch, hasArrived }));

const first = topology(undefined, membersOf(3));

describe('the next step', () => {
  test('of nothing is the first topology', () => {
    const step = nextStep({ current: undefined, members: membersOf(3), shards: [], routers: [] });
    expect(step).toEqual({ kind: 'publish', topology: first, reason: 'first' });
  });

  test('from 3 to 5 to 2 goes over moving and settled topologies only, and ends steady', () => {
    let current: Topology = first;
    const seen: string[] = [];
    for (const count of [5, 2]) {
      for (;;) {
        const step = nextStep({
          current,
          members: membersOf(count),
          shards: reportsOf(5, current.epoch),
          routers: [{ name: 'router', epoch: current.epoch }],
        });
        if (step.kind !== 'publish') {
          expect(step).toEqual({ kind: 'steady' });
          break;
        }
        expect(step.topology.epoch).toBe(current.epoch + 1);
        current = step.topology;
        seen.push(`${step.reason} ${isMoving(current)}`);
      }
    }
    expect(seen).toEqual(['members true', 'arrived false', 'members true', 'arrived false']);
    expect(
      removable(
        current,
        membersOf(5).map(({ name }) => name),
        reportsOf(5, current.epoch),
      ),
    ).toEqual(['shard-2', 'shard-3', 'shard-4']);
    // Somebody still runs by an older topology and may send requests there.
    expect(removable(current, ['shard-4'], [{ name: 'router', epoch: current.epoch - 1 }])).toEqual([]);
  });

  test('waits for shards that cannot be reached before their slots move', () => {
    const step = nextStep({ current: first, members: membersOf(5), shards: reportsOf(4, 1), routers: [] });
    expect(step).toEqual({ kind: 'wait', reason: 'unreported', names: ['shard-4'] });
  });

  test('waits for processes that run by an older epoch, routers too, before the next change', () => {
    const input = { current: { ...first, epoch: 4 }, members: membersOf(3), shards: reportsOf(3, 4) };
    const router = { name: 'router-a', epoch: 3 };
    expect(nextStep({ ...input, routers: [router] })).toEqual({ kind: 'wait', reason: 'behind', names: ['router-a'] });
    expect(nextStep({ ...input, routers: [] })).toEqual({ kind: 'steady' });
  });

  test('waits while slots move, and names who waits for them; another change of members waits too', () => {
    const moving = topology(first, membersOf(4));
    const shards = [...reportsOf(3, 2), { name: 'shard-3', epoch: 2, hasArrived: false }];
    const step = nextStep({ current: moving, members: membersOf(6), shards, routers: [] });
    expect(step).toEqual({ kind: 'wait', reason: 'moving', names: ['shard-3'] });
    // What had arrived at an older epoch says nothing of this one.
    const old = nextStep({ current: moving, members: membersOf(4), shards: reportsOf(4, 1), routers: [] });
    expect(old).toEqual({ kind: 'wait', reason: 'moving', names: ['shard-3'] });
  });

  test('a shard that has another address while slots move is looked for there', () => {
    const moving = topology(first, membersOf(4));
    const elsewhere = (shards: readonly TopologyShard[]): TopologyShard[] =>
      shards.map(({ name, address }) => ({ name, address: name === 'shard-1' ? 'new:7001' : address }));
    const members = elsewhere(membersOf(4));
    const step = nextStep({ current: moving, members, shards: reportsOf(4, 2, false), routers: [] });
    const next = { ...moving, epoch: moving.epoch + 1, shards: elsewhere(moving.shards) };
    expect(step).toEqual({ kind: 'publish', topology: next, reason: 'members' });
  });

  test('an abandoned source is waited for no longer, and leaves the topology when nothing else needs it', () => {
    const moving = topology(first, membersOf(2));
    const lost = abandoned(moving, new Set(['shard-2']));
    expect(isMoving(lost)).toBe(false);
    expect(lost.epoch).toBe(moving.epoch + 1);
    expect(lost.shards.map(({ name }) => name)).toEqual(['shard-0', 'shard-1']);
    expect(abandoned(first, new Set(['shard-2']))).toBe(first);
  });
});
