/**
 * `topology(previous, members)`: which shard owns which slot, as one pure function.
 *
 * Everyone who computes it, on any machine, gets the same document: there is no clock, no randomness and no locale in
 * it, and the order of `members` does not matter. Slots lie evenly on a consistent-hash ring in their own order, so
 * neighbours mostly share an owner and the document stays a list of runs. Three rules place them:
 *
 *   1. A slot whose owner stays keeps it, unless a joining shard takes it.
 *   2. A slot without an owner (all of them at first, later those of shards that left) goes to the first point of the
 *      ring at or after it whose shard is not full.
 *   3. A joining shard that is not full after that takes slots for itself, from the fullest shards first, walking the
 *      ring back from its own points.
 *
 * "Full" is the bound on load: a shard's fair share, slots / shards, rounded up for the shards that hold most and down
 * for the rest. Invariant: from nothing, and after any history of joins and leaves, every shard holds its fair share
 * rounded up or down. That is well within the promised ceil(1.05 × fair share), and it is what makes the promise
 * provable: with the loose bound itself, a history can fill so many shards to it that the next one's fair share is not
 * enough to bring all of them under the lower new bound. Tightness costs no movement, since only rule 3 moves slots of
 * shards that stay, and never more than the fair share of the shard that joins.
 *
 * Rejected: hashing every slot onto the ring by itself (16,384 runs, a megabyte of JSON); rendezvous hashing (no bound
 * on load); computing the placement from the members alone (a join would move slots between shards that stay).
 */
import { KvcacheError } from '../errors.ts';
import { shardsMax, slotCount, virtualNodesPerShard } from '../limits.ts';
import { compareText, Ring, ringHash } from './ring.ts';
import type { SlotRun, Topology, TopologyShard } from './topology.ts';

/** Slots are spread evenly over the ring's 32-bit positions. */
const positionsPerSlot = 2 ** 32 / slotCount;

/**
 * The topology of `members` that follows `previous`; without `previous`, the first one, of epoch 1. Returns `previous`
 * itself where nothing changes. Throws KvcacheError CONFIG if the members are none, too many, or not told apart.
 *
 * A shard that left stays listed, without slots, while it is the source of slots on the move: `settled` takes it off.
 */
export function topology(previous: Topology | undefined, members: readonly TopologyShard[]): Topology {
  const sorted = checkedMembers(members);
  const before = previous === undefined ? undefined : expand(previous);
  const owners = placeSlots(before, sorted);
  if (previous !== undefined && before !== undefined && isUnchanged(previous, before, owners, sorted)) return previous;
  const epoch = previous === undefined ? 1 : previous.epoch + 1;
  const slots = runsOf(before, owners, epoch, new Set(sorted.map((shard) => shard.name)));
  return { version: 1, epoch, shards: [...sorted, ...leaversStillNeeded(previous, sorted, slots)], slots };
}

/** True while slots are on their way from one shard to another. */
export function isMoving(current: Topology): boolean {
  return current.slots.some((run) => run.source !== undefined);
}

/** The same owners with nothing on the move, one epoch later; the topology itself where nothing is. */
export function settled(current: Topology): Topology {
  if (!isMoving(current)) return current;
  const slots = mergeRuns(current.slots.map(({ from, to, shards, since }) => ({ from, to, shards, since })));
  const named = new Set(slots.flatMap((run) => run.shards));
  return { version: 1, epoch: current.epoch + 1, shards: current.shards.filter(({ name }) => named.has(name)), slots };
}

/** One shard that owns everything: how a process runs that was given no topology. Any real topology replaces it. */
export function singleShardTopology(name: string, address: string): Topology {
  const slots = [{ from: 0, to: slotCount - 1, shards: [name], since: 0 }];
  return { version: 1, epoch: 0, shards: [{ name, address }], slots };
}

function checkedMembers(members: readonly TopologyShard[]): TopologyShard[] {
  if (members.length === 0) throw new KvcacheError('CONFIG', 'a topology needs at least one shard');
  if (members.length > shardsMax) {
    throw new KvcacheError('CONFIG', `a topology takes at most ${shardsMax} shards, not ${members.length}`);
  }
  const sorted = members.map(({ name, address }) => ({ name, address })).sort((a, b) => compareText(a.name, b.name));
  for (let index = 1; index < sorted.length; index++) {
    if (sorted[index]!.name === sorted[index - 1]!.name) {
      throw new KvcacheError('CONFIG', `two shards of the topology are named '${sorted[index]!.name}'`);
    }
  }
  return sorted;
}

/** The run of every slot. */
function expand(previous: Topology): SlotRun[] {
  const runOfSlot: SlotRun[] = [];
  for (const run of previous.slots) for (let slot = run.from; slot <= run.to; slot++) runOfSlot[slot] = run;
  return runOfSlot;
}

/** The owner of every slot, by the three rules. */
function placeSlots(before: readonly SlotRun[] | undefined, members: readonly TopologyShard[]): string[] {
  const counts = new Map(members.map((shard) => [shard.name, 0]));
  const owners: (string | undefined)[] = Array.from({ length: slotCount });
  if (before !== undefined) {
    for (let slot = 0; slot < slotCount; slot++) {
      const owner = before[slot]!.shards[0]!;
      const count = counts.get(owner);
      if (count === undefined) continue;
      owners[slot] = owner;
      counts.set(owner, count + 1);
    }
  }
  const joining = members.filter((shard) => counts.get(shard.name) === 0).map((shard) => shard.name);
  const quotas = quotasOf(counts);
  const ring = new Ring([...counts.keys()], ringHash, virtualNodesPerShard);
  placeOwnerless(owners, counts, quotas, ring);
  fillJoining(owners as string[], counts, quotas, ring, joining);
  return owners as string[];
}

/** Fair shares that add up to all slots; the shards that hold most keep the ones rounded up. */
function quotasOf(counts: ReadonlyMap<string, number>): Map<string, number> {
  const share = Math.floor(slotCount / counts.size);
  const roundedUp = slotCount % counts.size;
  const fullestFirst = [...counts].sort((a, b) => b[1] - a[1] || compareText(a[0], b[0]));
  return new Map(fullestFirst.map(([name], rank) => [name, rank < roundedUp ? share + 1 : share]));
}

/** Rule 2. There is always room: the quotas add up to all slots. */
function placeOwnerless(
  owners: (string | undefined)[],
  counts: Map<string, number>,
  quotas: ReadonlyMap<string, number>,
  ring: Ring,
): void {
  let points = ring.points.filter(({ member }) => counts.get(member)! < quotas.get(member)!);
  let next = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    while (next < points.length && points[next]!.position < slot * positionsPerSlot) next += 1;
    if (owners[slot] !== undefined) continue;
    const { member } = points[next] ?? points[0]!;
    const count = counts.get(member)! + 1;
    owners[slot] = member;
    counts.set(member, count);
    if (count === quotas.get(member)) {
      points = points.filter((point) => point.member !== member);
      next = 0;
    }
  }
}

/** Rule 3. */
function fillJoining(
  owners: string[],
  counts: Map<string, number>,
  quotas: ReadonlyMap<string, number>,
  ring: Ring,
  joining: readonly string[],
): void {
  const missing = new Map(joining.map((name) => [name, quotas.get(name)! - counts.get(name)!]));
  const total = [...missing.values()].reduce((sum, count) => sum + count, 0);
  const joiningNames = new Set(joining);
  const gifts = takenFromFullest(new Map([...counts].filter(([name]) => !joiningNames.has(name))), total);
  for (const name of joining) takeAlongRing(owners, gifts, ring, name, missing.get(name)!);
}

/** How many slots each shard gives when `total` are taken one by one, each from the shard that then holds most. */
function takenFromFullest(counts: ReadonlyMap<string, number>, total: number): Map<string, number> {
  const gifts = new Map([...counts.keys()].map((name) => [name, 0]));
  if (total === 0) return gifts;
  const fullestFirst = [...counts].sort((a, b) => b[1] - a[1] || compareText(a[0], b[0]));
  let level = fullestFirst[0]![1];
  let above = 0;
  let taken = 0;
  for (;;) {
    while (above < fullestFirst.length && fullestFirst[above]![1] >= level) above += 1;
    if (taken + above > total) break;
    taken += above;
    level -= 1;
  }
  for (const [name, count] of fullestFirst.slice(0, above)) gifts.set(name, count - level);
  for (const [name] of fullestFirst.slice(0, total - taken)) gifts.set(name, gifts.get(name)! + 1);
  return gifts;
}

/**
 * Takes `count` slots for `joiner` from shards that still have something to give: an equal part back from each of its
 * points, then whatever is left from wherever the walk meets it.
 */
function takeAlongRing(owners: string[], gifts: Map<string, number>, ring: Ring, joiner: string, count: number): void {
  const starts = ring.points
    .filter((point) => point.member === joiner)
    .map((point) => Math.floor(point.position / positionsPerSlot));
  let missing = count;
  const walkBack = (start: number, takeMax: number): void => {
    let room = takeMax;
    for (let step = 0; step < slotCount && room > 0; step++) {
      const slot = (start - step + slotCount) % slotCount;
      const gift = gifts.get(owners[slot]!) ?? 0;
      if (gift === 0) continue;
      gifts.set(owners[slot]!, gift - 1);
      owners[slot] = joiner;
      room -= 1;
      missing -= 1;
    }
  };
  const part = Math.ceil(count / starts.length);
  for (const start of starts) walkBack(start, Math.min(part, missing));
}

function isUnchanged(
  previous: Topology,
  before: readonly SlotRun[],
  owners: readonly string[],
  members: readonly TopologyShard[],
): boolean {
  const addresses = new Map(previous.shards.map((shard) => [shard.name, shard.address]));
  const owning = new Set(previous.slots.flatMap((run) => run.shards));
  return (
    members.length === owning.size &&
    members.every((shard) => owning.has(shard.name) && addresses.get(shard.name) === shard.address) &&
    owners.every((owner, slot) => before[slot]!.shards[0] === owner)
  );
}

function runsOf(
  before: readonly SlotRun[] | undefined,
  owners: readonly string[],
  epoch: number,
  members: ReadonlySet<string>,
): SlotRun[] {
  return mergeRuns(
    owners.map((owner, slot): SlotRun => {
      const old = before?.[slot];
      const place = { from: slot, to: slot };
      if (old === undefined) return { ...place, shards: [owner], since: epoch };
      const source = old.shards[0]!;
      if (source !== owner) return { ...place, shards: [owner], since: epoch, source, sourceSince: old.since };
      return { ...old, ...place, shards: old.shards.filter((name) => members.has(name)) };
    }),
  );
}

/** Neighbours that say the same become one run. */
function mergeRuns(runs: readonly SlotRun[]): SlotRun[] {
  const merged: SlotRun[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (last !== undefined && saysTheSame(last, run)) merged[merged.length - 1] = { ...last, to: run.to };
    else merged.push(run);
  }
  return merged;
}

function saysTheSame(a: SlotRun, b: SlotRun): boolean {
  return (
    a.since === b.since &&
    a.source === b.source &&
    a.sourceSince === b.sourceSince &&
    a.shards.length === b.shards.length &&
    a.shards.every((name, index) => name === b.shards[index])
  );
}

/** Shards that left and still hold what has not arrived elsewhere. */
function leaversStillNeeded(
  previous: Topology | undefined,
  members: readonly TopologyShard[],
  slots: readonly SlotRun[],
): TopologyShard[] {
  if (previous === undefined) return [];
  const listed = new Set(members.map((shard) => shard.name));
  const sources = new Set(slots.map((run) => run.source));
  return previous.shards.filter((shard) => !listed.has(shard.name) && sources.has(shard.name));
}
