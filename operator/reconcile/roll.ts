/**
 * The verb "roll": brings shards to the newest pod template, one at a time.
 *
 * The StatefulSet's strategy is OnDelete: it makes pods anew at the newest revision, and this decision says which pod
 * goes next. So a shard can be flushed first, a bad revision stops after one shard, and a pod of a superseded revision
 * that will never get ready is not waited for, which is where the controller's own rolling update sticks.
 *
 *   1. superseded and in trouble               deleted at once, all of them: they serve nobody
 *   2. a shard of the newest revision does     wait; halted if its trouble lasts
 *      not serve yet
 *   3. superseded and not ready                wait for it a while, then it is the next: nothing is taken from anybody
 *   4. superseded and ready                    the highest number is flushed and evicted, if all others serve
 *
 * Rule 2 is the invariant: no ready shard is taken down while another one is away. Every rule looks at what is, not at
 * how it came about, so a roll whose spec changes half-way just goes on towards the new revision, and a halted one
 * recovers through rule 1 when the spec is mended.
 *
 * Rejected: a partitioned RollingUpdate. The controller waits for its own readiness only, knows no flush, and keeps
 * a broken pod of an older revision until a person deletes it.
 */
import { rollTroublePatienceMs, rollUnreadyPatienceMs } from '../../limits.ts';
import type { PodView, ShardSetView } from './view.ts';

export interface RollInput {
  readonly shardSet: ShardSetView | undefined;
  /** Shards' pods only. */
  readonly pods: readonly PodView[];
  /** Shards that the spec asks for: those beyond are on their way out and not worth a restart. */
  readonly desired: number;
  /** Shards that answered, by the newest topology. */
  readonly level: ReadonlySet<string>;
  /** Slots are on their way between shards, and still arriving: restarts would only hold them up. */
  readonly isMoving: boolean;
  readonly nowMs: number;
}

export type RollDecision =
  /** Every shard runs the newest revision. */
  | { readonly kind: 'done' }
  /** Nothing to do now; `names` is what is waited for. */
  | { readonly kind: 'wait'; readonly names: readonly string[]; readonly why: string }
  /** The newest revision does not get ready: the other shards stay as they are. */
  | { readonly kind: 'halted'; readonly name: string; readonly why: string }
  /** Delete these pods: they are superseded and serve nobody. */
  | { readonly kind: 'discard'; readonly pods: readonly PodView[] }
  /** Flush this ready shard, then evict it. */
  | { readonly kind: 'restart'; readonly pod: PodView };

export function decideRoll(input: RollInput): RollDecision {
  const { shardSet, pods, desired, isMoving, nowMs } = input;
  // Made anew for larger disks, or deleted by somebody: which revision is the newest is known when it is back.
  if (shardSet === undefined || shardSet.isTerminating)
    return { kind: 'wait', names: [], why: 'the StatefulSet is made anew' };
  if (!shardSet.isObserved)
    return { kind: 'wait', names: [], why: 'the StatefulSet controller has not seen the change' };
  const { updateRevision } = shardSet;
  const superseded = pods.filter(({ revision, isTerminating }) => revision !== updateRevision && !isTerminating);
  const troubled = superseded.filter(({ trouble }) => trouble !== undefined);
  if (troubled.length > 0) return { kind: 'discard', pods: troubled };

  const wanted = pods.filter(({ ordinal }) => ordinal < desired);
  const next = superseded.filter(({ ordinal }) => ordinal < desired);
  const current = wanted.filter(({ revision }) => revision === updateRevision);
  const broken = current.find((pod) => isBroken(pod, nowMs));
  if (broken !== undefined) return { kind: 'halted', name: broken.name, why: troubleText(broken) };
  if (next.length === 0) return { kind: 'done' };
  const away = current.filter((pod) => !serves(pod, input));
  const missing = Math.max(0, Math.min(desired, shardSet.replicas) - wanted.filter((pod) => !pod.isTerminating).length);
  if (away.length > 0 || missing > 0) {
    const names = [...away, ...wanted.filter((pod) => pod.isTerminating)].map(({ name }) => name);
    return { kind: 'wait', names: [...new Set(names)], why: 'a restarted shard is not serving yet' };
  }

  const unready = next.filter(({ isReady }) => !isReady);
  const overdue = unready.find(({ readyChangedAtMs }) => nowMs - readyChangedAtMs >= rollUnreadyPatienceMs);
  if (overdue !== undefined) return { kind: 'discard', pods: [overdue] };
  const waiting = next.filter((pod) => !serves(pod, input));
  if (waiting.length > 0)
    return { kind: 'wait', names: waiting.map(({ name }) => name), why: 'a shard is not serving' };
  if (isMoving) return { kind: 'wait', names: [], why: 'slots are still moving between shards' };
  return { kind: 'restart', pod: [...next].sort(inOrder(input.level))[0]! };
}

/** Those that do not answer first, for the new revision may be what mends them; then from the highest number down. */
function inOrder(level: ReadonlySet<string>): (a: PodView, b: PodView) => number {
  return (a, b) => Number(level.has(a.name)) - Number(level.has(b.name)) || b.ordinal - a.ordinal;
}

/** Every start looks like trouble for a moment: no node yet, no image yet. */
function isBroken({ isReady, isTerminating, trouble, readyChangedAtMs }: PodView, nowMs: number): boolean {
  return trouble !== undefined && !isReady && !isTerminating && nowMs - readyChangedAtMs >= rollTroublePatienceMs;
}

/**
 * Ready, and it says itself that it runs by the newest topology. A ready one that stays silent counts too after a
 * while: where the operator cannot reach the pods at all, or their secret is what changes, the roll must not wait for ever.
 */
function serves(pod: PodView, { level, nowMs }: RollInput): boolean {
  if (!pod.isReady || pod.isTerminating) return false;
  return level.has(pod.name) || nowMs - pod.readyChangedAtMs >= rollUnreadyPatienceMs;
}

function troubleText({ trouble }: PodView): string {
  return trouble === undefined ? 'it is not ready' : `${trouble.reason}: ${trouble.message}`;
}
