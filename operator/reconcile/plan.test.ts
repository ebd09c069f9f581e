import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shardOf, SimulatedCluster } from './testing/simulated-cluster.ts';

type Accident = (cluster: SimulatedCluster) => void;

const nth = (names: readonly string[], index: number): string => names[index % Math.max(1, names.length)] ?? '';

/** What happens to a cluster, the operator's own work included. Killed operators do the first acts of a plan only. */
const accident: fc.Arbitrary<Accident> = fc.oneof(
  { weight: 6, arbitrary: fc.constant((cluster: SimulatedCluster) => void cluster.pass()) },
  { weight: 3, arbitrary: fc.nat(6).map((acts) => (cluster: SimulatedCluster) => void cluster.pass(acts)) },
  { weight: 6, arbitrary: fc.constant((cluster: SimulatedCluster) => cluster.tick()) },
  { weight: 4, arbitrary: fc.nat(6).map((ordinal) => (cluster: SimulatedCluster) => cluster.arrive(ordinal)) },
  { weight: 3, arbitrary: fc.nat(8).map((at) => (cluster: SimulatedCluster) => cluster.learn(nth(cluster.names, at))) },
  { weight: 2, arbitrary: fc.nat(8).map((at) => (cluster: SimulatedCluster) => cluster.kill(nth(cluster.names, at))) },
  fc.nat(8).map((at) => (cluster: SimulatedCluster) => cluster.deletePod(nth(cluster.names, at))),
  fc.nat(8).map((at) => (cluster: SimulatedCluster) => void cluster.silent.add(nth(cluster.names, at))),
  fc.constant((cluster: SimulatedCluster) => cluster.silent.clear()),
  fc.constant((cluster: SimulatedCluster) => cluster.deleteConfigMap()),
  fc.constant((cluster: SimulatedCluster) => cluster.rollBackConfigMap()),
  fc.integer({ min: 1, max: 6 }).map((desired) => (cluster: SimulatedCluster) => void (cluster.desired = desired)),
  fc.constantFrom('good-1', 'good-2', 'bad-1', 'bad-2').map((revision) => (cluster: SimulatedCluster) => {
    cluster.revision = revision;
  }),
);

/** Passes and moments without accidents. */
function settle(cluster: SimulatedCluster, roundsMax: number): number {
  for (let round = 0; round < roundsMax; round++) {
    if (cluster.isSettled) return round;
    cluster.pass();
    cluster.tick();
    for (let ordinal = 0; ordinal < 8; ordinal++) cluster.arrive(ordinal);
  }
  return roundsMax;
}

describe('a cache in a simulated cluster', () => {
  test('comes up from nothing', () => {
    const cluster = new SimulatedCluster();
    expect(settle(cluster, 50)).toBeLessThan(50);
    expect(cluster.faults).toEqual([]);
  });

  test('goes from three shards to five and to two', () => {
    const cluster = new SimulatedCluster();
    for (const desired of [3, 5, 2]) {
      cluster.desired = desired;
      expect(settle(cluster, 100)).toBeLessThan(100);
    }
    expect(cluster.faults).toEqual([]);
  });

  test('stops at the first pod of a bad revision, and heals when the spec is mended', () => {
    const cluster = new SimulatedCluster();
    settle(cluster, 50);
    cluster.revision = 'bad-1';
    settle(cluster, 50);
    expect(cluster.pass().roll).toMatchObject({ kind: 'halted', name: 'c-shard-2' });
    expect(cluster.observe().pods.filter(({ role, isReady }) => role === 'shard' && isReady)).toHaveLength(2);
    cluster.revision = 'good-2';
    expect(settle(cluster, 100)).toBeLessThan(100);
    expect(cluster.faults).toEqual([]);
  });

  test('whatever happens, no shard goes that is needed, no epoch comes back, no two shards roll at once, and it settles', () => {
    fc.assert(
      fc.property(fc.array(accident, { minLength: 20, maxLength: 120 }), (accidents) => {
        const cluster = new SimulatedCluster();
        for (const happen of accidents) happen(cluster);
        cluster.silent.clear();
        cluster.revision = 'good-3';
        const rounds = settle(cluster, 300);
        expect(cluster.faults).toEqual([]);
        expect(rounds).toBeLessThan(300);
      }),
      { numRuns: process.env['KVCACHE_LONG'] === '1' ? 2_000 : 50 },
    );
  }, 600_000);

  test('names of shards and their addresses follow from their numbers', () => {
    expect(shardOf(3)).toEqual({ name: 'c-shard-3', address: 'c-shard-3.c-shards.n.svc:7051' });
  });
});
