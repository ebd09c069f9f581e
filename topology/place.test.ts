import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotCount } from '../limits.ts';
import { formatTopology, parseTopology } from './document.ts';
import { settled, singleShardTopology, topology } from './place.ts';
import type { Topology, TopologyShard } from './topology.ts';

/** The most slots that any of `shardCount` shards ever holds, by the promise to operators. */
const slotsPerShardMax = (shardCount: number): number => Math.ceil((1.05 * slotCount) / shardCount);

const shard = (number: number): TopologyShard => ({ name: `shard-${number}`, address: `host-${number}:7000` });
const shards = (count: number): TopologyShard[] => Array.from({ length: count }, (_, number) => shard(number));

function ownersOf(document: Topology): string[] {
  const owners: string[] = [];
  for (const run of document.slots) for (let slot = run.from; slot <= run.to; slot++) owners.push(run.shards[0]!);
  return owners;
}

function countsOf(document: Topology): Map<string, number> {
  const counts = new Map<string, number>();
  for (const owner of ownersOf(document)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

/** Everything that one step of any history promises. */
function checkStep(before: Topology | undefined, members: readonly TopologyShard[], after: Topology): void {
  const counts = countsOf(after);
  const names = new Set(members.map((member) => member.name));
  expect(ownersOf(after).length).toBe(slotCount);
  expect(new Set(counts.keys())).toEqual(names);
  expect(Math.max(...counts.values())).toBeLessThanOrEqual(slotsPerShardMax(members.length));
  expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
  expect(parseTopology(formatTopology(after))).toEqual(after);
  if (before === undefined) return;

  const ownersBefore = ownersOf(before);
  const ownersAfter = ownersOf(after);
  const namesBefore = new Set(ownersBefore);
  const joining = new Set([...names].filter((name) => !namesBefore.has(name)));
  for (let slot = 0; slot < slotCount; slot++) {
    const from = ownersBefore[slot]!;
    const to = ownersAfter[slot]!;
    if (names.has(from) && from !== to && !joining.has(to)) expect.fail(`slot ${slot} moved from ${from} to ${to}`);
  }
  for (const name of joining) expect(counts.get(name)).toBeLessThanOrEqual(Math.ceil(slotCount / members.length));
}

/** Random sets of member numbers that follow one another. */
const history = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 100 }), {
  minLength: 1,
  maxLength: 6,
});

test('any history of joins and leaves keeps every promise at every step', () => {
  fc.assert(
    fc.property(history, (steps) => {
      let current: Topology | undefined;
      for (const numbers of steps) {
        const members = numbers.map(shard);
        const next = topology(current, members);
        checkStep(current, members, next);
        current = next;
      }
    }),
    { numRuns: 40 },
  );
});

test('growing from 1 to 100 shards and back, one by one, moves exactly what must move', () => {
  let current = topology(undefined, shards(1));
  for (let count = 2; count <= 100; count++) {
    const next = topology(current, shards(count));
    const before = ownersOf(current);
    const moved = ownersOf(next).filter((owner, slot) => owner !== before[slot]);
    expect(moved.length).toBe(Math.floor(slotCount / count));
    expect(new Set(moved)).toEqual(new Set([`shard-${count - 1}`]));
    current = next;
  }
  for (let count = 99; count >= 1; count--) {
    const next = topology(current, shards(count));
    const after = ownersOf(next);
    const wrong = ownersOf(current).findIndex((owner, slot) => owner !== `shard-${count}` && owner !== after[slot]);
    expect(wrong).toBe(-1);
    checkStep(current, shards(count), next);
    current = next;
  }
});

test('the same members in another order give the same document', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(shards(40), { minLength: 1 }),
      fc.shuffledSubarray(shards(40), { minLength: 1 }),
      (a, b) => {
        const first = topology(undefined, a);
        expect(topology(undefined, [...a].reverse())).toEqual(first);
        expect(topology(first, [...b].reverse())).toEqual(topology(first, b));
      },
    ),
    { numRuns: 30 },
  );
});

test('three shards always get this very placement, on any machine', () => {
  const document = topology(undefined, shards(3));
  expect(document.epoch).toBe(1);
  expect(document.slots.slice(0, 3)).toMatchInlineSnapshot(`
    [
      {
        "from": 0,
        "shards": [
          "shard-0",
        ],
        "since": 1,
        "to": 837,
      },
      {
        "from": 838,
        "shards": [
          "shard-1",
        ],
        "since": 1,
        "to": 1100,
      },
      {
        "from": 1101,
        "shards": [
          "shard-0",
        ],
        "since": 1,
        "to": 1843,
      },
    ]
  `);
  expect(document.slots.length).toBeLessThan(64);
});

test('no change returns the very same topology', () => {
  const document = topology(undefined, shards(5));
  expect(topology(document, shards(5))).toBe(document);
  const shrunk = topology(document, shards(4));
  expect(topology(shrunk, shards(4))).toBe(shrunk);
});

test('another address moves nothing and raises the epoch', () => {
  const document = topology(undefined, shards(3));
  const next = topology(document, [shard(0), shard(1), { name: 'shard-2', address: 'elsewhere:1' }]);
  expect(next.epoch).toBe(document.epoch + 1);
  expect(next.slots).toEqual(document.slots);
  expect(next.shards[2]).toEqual({ name: 'shard-2', address: 'elsewhere:1' });
});

test('a moved slot names its source and the epoch of the move, a slot that stays keeps both', () => {
  const two = topology(undefined, shards(2));
  const three = topology(two, shards(3));
  for (const run of three.slots) {
    if (run.shards[0] === 'shard-2') {
      expect(run.since).toBe(2);
      expect(run.source).toMatch(/^shard-[01]$/);
    } else {
      expect(run.since).toBe(1);
      expect(run.source).toBeUndefined();
    }
  }
});

test('a shard that left stays listed while it is a source, and settling takes it off', () => {
  const three = settled(topology(topology(undefined, shards(2)), shards(3)));
  expect(three.slots.every((run) => run.source === undefined)).toBe(true);
  expect(three.epoch).toBe(3);
  const two = topology(three, shards(2));
  expect(two.shards.map((item) => item.name)).toEqual(['shard-0', 'shard-1', 'shard-2']);
  expect(two.slots.some((run) => run.shards.includes('shard-2'))).toBe(false);
  const done = settled(two);
  expect(done.shards.map((item) => item.name)).toEqual(['shard-0', 'shard-1']);
  expect(done.epoch).toBe(5);
  expect(settled(done)).toBe(done);
});

test('shards replaced all at once get every slot between them', () => {
  const before = topology(undefined, shards(7));
  const members = shards(12).slice(7);
  checkStep(before, members, topology(before, members));
});

test('a process that ran alone grows into a cluster and keeps its share', () => {
  const alone = singleShardTopology('shard-0', 'host-0:7000');
  const next = topology(alone, shards(3));
  checkStep(alone, shards(3), next);
  expect(next.epoch).toBe(1);
});

test('a lopsided topology made by hand is not evened out without a join', () => {
  const document: Topology = {
    version: 1,
    epoch: 7,
    shards: shards(2),
    slots: [
      { from: 0, to: 16_000, shards: ['shard-0'], since: 3 },
      { from: 16_001, to: slotCount - 1, shards: ['shard-1'], since: 3 },
    ],
  };
  expect(topology(document, shards(2))).toBe(document);
  const counts = countsOf(topology(document, shards(3)));
  expect(counts.get('shard-1')).toBe(383);
  expect(counts.get('shard-2')).toBe(5461);
});

test('a hundred shards after a long history still fit into a ConfigMap', () => {
  let current = topology(undefined, shards(100));
  let seed = 1;
  for (let step = 0; step < 100; step++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    current = topology(current, shards(100).toSpliced(seed % 100, 1));
    current = settled(topology(settled(current), shards(100)));
  }
  expect(formatTopology(current).length).toBeLessThan(1024 * 1024);
});

test('members that are none or share a name are refused', () => {
  expect(() => topology(undefined, [])).toThrow('at least one shard');
  expect(() => topology(undefined, [shard(1), shard(1)])).toThrow("two shards of the topology are named 'shard-1'");
});
