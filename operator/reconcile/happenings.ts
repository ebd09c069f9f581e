/**
 * What to tell people about a pass: Events for what has changed since the status that was last written, and never for what
 * merely goes on. Acts tell of themselves where they are done (acts.ts).
 */
import type { KVCacheStatus } from '../api/schema.ts';
import type { ConditionType } from '../api/status.ts';
import type { Assessment, Obstacle } from './assessment.ts';
import type { Happening } from './reasons.ts';

export function happeningsOf(
  seen: Assessment,
  next: KVCacheStatus,
  before: KVCacheStatus | undefined,
  obstaclesBefore: readonly Obstacle[],
): readonly Happening[] {
  const known = new Set(obstaclesBefore.map(({ message }) => message));
  return [
    ...readiness(next, before),
    ...scaling(seen, next, before),
    ...rollout(next, before),
    ...attention(seen, next, before),
    ...seen.obstacles
      .filter(({ message }) => !known.has(message))
      .map(({ kind, message }): Happening => ({ reason: kind, message })),
  ];
}

function conditionOf(status: KVCacheStatus | undefined, type: ConditionType) {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Its message, where a condition has just become true (or false, with `status`). */
function flip(
  next: KVCacheStatus,
  before: KVCacheStatus | undefined,
  type: ConditionType,
  status: 'True' | 'False',
): string | undefined {
  const condition = conditionOf(next, type);
  const isNew = condition?.status === status && conditionOf(before, type)?.status !== status;
  return isNew ? condition.message : undefined;
}

function* readiness(next: KVCacheStatus, before: KVCacheStatus | undefined): Generator<Happening> {
  const ready = flip(next, before, 'Ready', 'True');
  if (ready !== undefined) yield { reason: 'BecameReady', message: ready };
  const unready = flip(next, before, 'Ready', 'False');
  if (unready !== undefined && before !== undefined) yield { reason: 'BecameUnready', message: unready };
}

function* scaling(
  { authority }: Assessment,
  next: KVCacheStatus,
  before: KVCacheStatus | undefined,
): Generator<Happening> {
  if (authority.kind === 'unknown' && !isDegradedBy(before, 'TopologyUnknown')) {
    const message = `data exist, and no topology is known; waiting for ${authority.waitingFor.join(', ')}`;
    yield { reason: 'TopologyUnknown', message };
  }
  const now = next.scaling;
  const then = before?.scaling;
  if (now !== undefined && now.from !== now.to && (then?.from !== now.from || then.to !== now.to)) {
    const message = `from ${now.from} to ${now.to} shards`;
    yield { reason: now.to > now.from ? 'ScalingOut' : 'ScalingIn', message };
  }
  if (now === undefined && then !== undefined && then.from !== then.to) {
    yield { reason: 'Scaled', message: `from ${then.from} to ${then.to} shards; every slot has arrived` };
  }
  const blocked = flip(next, before, 'ScaleBlocked', 'True');
  if (blocked !== undefined) yield { reason: 'ScaleBlocked', message: blocked };
}

function* rollout(next: KVCacheStatus, before: KVCacheStatus | undefined): Generator<Happening> {
  const halted = next.rollout?.halted;
  if (halted !== undefined && before?.rollout?.halted === undefined) yield { reason: 'RolloutHalted', message: halted };
  const wasRolling = before?.shards?.some(({ upToDate }) => upToDate === false) === true;
  const isRolled = next.rollout === undefined && next.shards?.every(({ upToDate }) => upToDate !== false) === true;
  if (wasRolling && isRolled) {
    yield { reason: 'RolloutFinished', message: 'every shard runs the newest pod template' };
  }
}

function* attention(
  { nodeLoss, volumes }: Assessment,
  next: KVCacheStatus,
  before: KVCacheStatus | undefined,
): Generator<Happening> {
  const lostBefore = new Set(before?.shards?.filter(({ phase }) => phase === 'Lost').map(({ name }) => name));
  for (const { name, node } of nodeLoss.lost) {
    if (!lostBefore.has(name)) yield { reason: 'NodeLost', message: `the node ${node} of ${name} is gone` };
  }
  const stuckMessage = conditionOf(next, 'Degraded')?.message;
  if (volumes.stuck.length > 0 && !isDegradedBy(before, 'VolumesStuck') && stuckMessage !== undefined) {
    const names = volumes.stuck.map(({ name }) => name).join(', ');
    yield { reason: 'VolumeNotExpandable', message: `the storage class does not let these disks grow: ${names}` };
  }
}

function isDegradedBy(status: KVCacheStatus | undefined, reason: string): boolean {
  return conditionOf(status, 'Degraded')?.reason === reason;
}
