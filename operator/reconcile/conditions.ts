/**
 * Conditions: the state in several aspects, each a pure function of what a pass has seen and decided.
 *
 * Ready says whether the cache serves, and leaves True as soon as the pods that serve are gone. Progressing says whether
 * it is on its way to what the spec says. Degraded says whether something needs attention, and names every cause in its
 * message, the gravest as its reason. Reconciling and Stalled repeat the latter two in the words of kstatus, so that Flux,
 * Argo CD and `kubectl wait` understand them. `lastTransitionTime` changes with the status and with nothing else.
 */
import type { Condition, ConditionType } from '../api/status.ts';
import { degradedPatienceMs, rollTroublePatienceMs, scaleBlockedPatienceMs, slotCount } from '../../limits.ts';
import { type Assessment, awaySources, shardPods, slotsServed, unlinkedRouters } from './assessment.ts';
import type { conditionReasons } from './reasons.ts';

export interface Verdict {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

type ReasonOf<Type extends ConditionType> = keyof (typeof conditionReasons)[Type] & string;

function verdict<Type extends ConditionType>(
  status: Verdict['status'],
  reason: ReasonOf<Type>,
  message: string,
): Verdict {
  return { status, reason, message };
}

export function verdicts(seen: Assessment): Readonly<Record<ConditionType, Verdict>> {
  const progressing = progressingVerdict(seen);
  const degraded = degradedVerdict(seen);
  const blocked = scaleBlockedVerdict(seen);
  const isStalled = progressing.reason === 'Halted' || blocked.status === 'True';
  return {
    Ready: readyVerdict(seen),
    Progressing: progressing,
    Degraded: degraded,
    Durable: durableVerdict(seen),
    ScaleBlocked: blocked,
    Reconciling:
      progressing.status === 'True'
        ? verdict<'Reconciling'>('True', 'Progressing', progressing.message)
        : verdict<'Reconciling'>('False', 'Settled', progressing.message),
    Stalled: isStalled
      ? verdict<'Stalled'>('True', 'Degraded', blocked.status === 'True' ? blocked.message : degraded.message)
      : verdict<'Stalled'>('False', 'Healthy', 'nothing needs a person'),
  };
}

/** With the times of those whose status is the same as before. */
export function conditionsOf(
  judged: Readonly<Record<string, Verdict>>,
  before: readonly Condition[],
  generation: number,
  now: string,
): Condition[] {
  return Object.entries(judged).map(([type, { status, reason, message }]) => {
    const previous = before.find((condition) => condition.type === type);
    const isFlip = previous?.status !== status;
    const lastTransitionTime = isFlip || previous === undefined ? now : previous.lastTransitionTime;
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime };
  });
}

function readyVerdict(seen: Assessment): Verdict {
  const { authority, routers, pods } = seen;
  if (authority.kind === 'unknown') {
    const waiting = authority.waitingFor.join(', ');
    return verdict<'Ready'>('False', 'TopologyUnknown', `waiting for ${waiting} to say which topology is in force`);
  }
  const served = slotsServed(seen);
  if (served < slotCount) {
    if (shardPods(seen).every(({ isReady }) => !isReady)) {
      return verdict<'Ready'>('False', 'Starting', 'no shard is ready yet');
    }
    const away = awayOwners(seen).join(', ');
    const message = `${served} of ${slotCount} slots are served; not ready: ${away}`;
    return verdict<'Ready'>('False', 'ShardsUnready', message);
  }
  if (!pods.some(({ role, isReady, isTerminating }) => role === 'router' && isReady && !isTerminating)) {
    return routers.ready === 0 && pods.every(({ role }) => role !== 'router')
      ? verdict<'Ready'>('False', 'Starting', 'no router is there yet')
      : verdict<'Ready'>('False', 'RoutersUnready', 'no router is ready');
  }
  const unlinked = unlinkedRouters(seen);
  if (unlinked.length > 0) return verdict<'Ready'>('False', 'RoutersUnlinked', unlinked.join('; '));
  return verdict<'Ready'>('True', 'Serving', 'every slot is served');
}

function awayOwners({ authority, pods }: Assessment): string[] {
  if (authority.kind !== 'known') return [];
  const ready = new Set(pods.filter(({ isReady, isTerminating }) => isReady && !isTerminating).map(({ name }) => name));
  const owners = new Set(authority.topology.slots.map(({ shards }) => shards[0]!));
  return [...owners].filter((name) => !ready.has(name)).sort();
}

function progressingVerdict(seen: Assessment): Verdict {
  const { cache, authority, topology, scale, roll, routers, shardSet, volumes } = seen;
  const wanted = cache.spec.shards.replicas;
  const ready = shardPods(seen).filter(({ isReady, ordinal }) => isReady && ordinal < wanted).length;
  if (cache.spec.paused) return verdict<'Progressing'>('False', 'Paused', 'spec.paused is true: nothing is changed');
  const halted = roll.kind === 'halted' || routers.stuck !== undefined;
  if (halted) return verdict<'Progressing'>('False', 'Halted', 'a pod template does not get ready: see Degraded');
  if (authority.kind === 'none' || (ready < wanted && authority.kind === 'known' && topology.kind === 'steady')) {
    return verdict<'Progressing'>('True', 'Starting', `${ready} of ${wanted} shards are ready`);
  }
  const isShrinking = shardPods(seen).some(({ ordinal }) => ordinal >= Math.max(wanted, scale.replicas));
  const isSized = shardSet === undefined || shardSet.replicas === scale.replicas;
  if (topology.kind !== 'steady' || scale.held.length > 0 || !isSized || isShrinking) {
    return verdict<'Progressing'>('True', 'Scaling', scalingText(seen));
  }
  if (roll.kind !== 'done') {
    const updated = shardPods(seen).filter(({ revision }) => revision === shardSet?.updateRevision).length;
    const why =
      roll.kind === 'wait' ? roll.why : seen.obstacles.find(({ kind }) => kind === 'EvictionBlocked')?.message;
    const message = `${updated} of ${wanted} shards run the newest pod template`;
    return verdict<'Progressing'>('True', 'Rolling', why === undefined ? message : `${message}; ${why}`);
  }
  if (routers.isRolling || routers.ready < routers.desired) {
    const message = `${routers.ready} of ${routers.desired} routers are ready`;
    return verdict<'Progressing'>('True', 'RollingRouters', message);
  }
  if (volumes.grow.length > 0 || volumes.remake) {
    return verdict<'Progressing'>('True', 'Rolling', 'disks are growing');
  }
  return verdict<'Progressing'>('False', 'Settled', 'everything is as the spec says');
}

function scalingText({ topology, scale }: Assessment): string {
  if (topology.kind === 'publish') return `publishing topology epoch ${topology.topology.epoch}`;
  if (topology.kind === 'unknown') return `waiting for ${topology.names.join(', ')} to say which topology is in force`;
  if (topology.kind === 'steady') return `removing ${scale.held.join(', ') || 'shards'}`;
  const names = topology.names.join(', ');
  if (topology.reason === 'moving') return `slots are moving to ${names}`;
  return topology.reason === 'behind' ? `waiting for ${names} to take the topology` : `waiting for ${names}`;
}

function degradedVerdict(seen: Assessment): Verdict {
  const causes = [...causesOf(seen)];
  const first = causes[0];
  if (first === undefined) return verdict<'Degraded'>('False', 'Healthy', 'nothing needs attention');
  return verdict<'Degraded'>('True', first[0], [...new Set(causes.map(([, message]) => message))].join('; '));
}

/** The gravest first. */
function* causesOf(seen: Assessment): Generator<readonly [ReasonOf<'Degraded'>, string]> {
  const { authority, roll, routers, nodeLoss, volumes, obstacles, reports } = seen;
  for (const { kind, message } of obstacles) {
    if (kind === 'SpecRefused' || kind === 'ObjectTaken' || kind === 'ApplyFailed') yield [kind, message];
  }
  for (const { name, node } of nodeLoss.lost) yield ['NodeLost', `the node ${node} of ${name} is gone`];
  if (roll.kind === 'halted') yield ['RolloutHalted', `${roll.name} does not get ready: ${roll.why}`];
  if (routers.stuck !== undefined) yield ['RoutersHalted', `routers do not get ready: ${routers.stuck}`];
  if (authority.kind === 'unknown') {
    yield ['TopologyUnknown', `no topology is known; waiting for ${authority.waitingFor.join(', ')}`];
  }
  yield* unreadyCauses(seen);
  for (const report of reports) {
    if (report.kind !== 'shard') continue;
    if (report.fault !== undefined) yield ['ShardFault', `${report.name} takes no writes: ${report.fault}`];
    if (isBlobAway(report.blob?.state))
      yield ['BlobUnavailable', `${report.name} cannot reach Blob: it is ${report.blob?.state}`];
  }
  const silent = unreachable(seen);
  if (silent.length > 0)
    yield ['Unreachable', `ready, but without an answer on the internal port: ${silent.join(', ')}`];
  if (volumes.stuck.length > 0) {
    const names = volumes.stuck.map(({ name }) => name).join(', ');
    yield ['VolumesStuck', `the storage class does not let these disks grow: ${names}`];
  }
}

export function isBlobAway(state: string | undefined): boolean {
  return state !== undefined && state !== 'available' && state !== 'unknown';
}

/** Every start looks like trouble for a moment, so that only what lasts is told. */
function* unreadyCauses({ pods, nowMs }: Assessment): Generator<readonly [ReasonOf<'Degraded'>, string]> {
  for (const { name, role, trouble, isReady, readyChangedAtMs } of pods) {
    const unreadyMs = nowMs - readyChangedAtMs;
    if (isReady || unreadyMs < (trouble === undefined ? degradedPatienceMs : rollTroublePatienceMs)) continue;
    const why = trouble === undefined ? 'it is not ready' : `${trouble.reason}: ${trouble.message}`;
    yield [role === 'shard' ? 'ShardsUnready' : 'RoutersUnready', `${name}: ${why}`];
  }
}

function unreachable({ pods, silentMs }: Assessment): string[] {
  return pods
    .filter(({ name, isReady, isTerminating }) => isReady && !isTerminating && silentMs(name) >= degradedPatienceMs)
    .map(({ name }) => name);
}

function durableVerdict({ cache, reports }: Assessment): Verdict {
  if (cache.spec.blob === undefined) {
    return verdict<'Durable'>(
      'False',
      'DisksOnly',
      'there is no spec.blob: values live as long as the disks of the shards',
    );
  }
  const states = reports.flatMap((report) => (report.kind === 'shard' && report.blob ? [report] : []));
  const away = states.filter(({ blob }) => isBlobAway(blob?.state)).map(({ name }) => name);
  if (away.length > 0) {
    const message = `new writes of ${away.join(', ')} are on disk only, for Blob cannot be reached`;
    return verdict<'Durable'>('False', 'BlobUnavailable', message);
  }
  return states.length === 0
    ? verdict<'Durable'>('Unknown', 'Unknown', 'no shard has told of Blob yet')
    : verdict<'Durable'>('True', 'WritesReachBlob', 'shards write behind to Blob');
}

/** Waiting is no blockage at first: new pods start, and a topology needs a moment to reach everybody. */
function scaleBlockedVerdict(seen: Assessment): Verdict {
  const { topology, scale, waitingMs, pods } = seen;
  const free = verdict<'ScaleBlocked'>('False', 'Free', 'nothing is in the way');
  const isWaiting = topology.kind === 'wait' || (topology.kind === 'steady' && scale.held.length > 0);
  const names =
    topology.kind !== 'wait' ? scale.silent : topology.reason === 'moving' ? awaySources(seen) : topology.names;
  const hasTrouble = pods.some(({ name, trouble }) => trouble !== undefined && names.includes(name));
  if (!isWaiting || names.length === 0 || (waitingMs < scaleBlockedPatienceMs && !hasTrouble)) return free;
  const who = names.join(', ');
  if (topology.kind !== 'wait') {
    const message = `${scale.held.join(', ')} stay until ${who} say which topology they run by`;
    return verdict<'ScaleBlocked'>('True', 'ProcessesSilent', message);
  }
  return topology.reason === 'behind'
    ? verdict<'ScaleBlocked'>('True', 'ProcessesBehind', `the change of shards waits for ${who} to take the topology`)
    : verdict<'ScaleBlocked'>('True', 'ShardsAway', `the change of shards waits for ${who}, which do not answer`);
}
