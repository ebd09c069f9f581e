/**
 * A change of one setting at all shards of a cluster, as it travels between them: a shard that joins, or has lost its
 * disk, is given what the others keep (link/settings-exchange.ts).
 *
 * Of two changes of one setting the later one counts, by its stamp, everywhere and in whatever order they come; of two
 * of one millisecond the one with the greater text. So it does not matter how many routers make and hand on changes.
 *
 * A change is one over what a shard was started with (kept.ts), and shards may have been started with different values:
 * changes over different values are different changes, and each shard takes the one that is meant for it.
 */
import { KvcacheError, messageOf } from '../errors.ts';
import { isMap } from './file.ts';

export interface ClusterChange {
  readonly name: string;
  /** In the form that reads back, as `over`. */
  readonly value: string;
  readonly over: string;
  /** Unix milliseconds. */
  readonly stamp: number;
}

/** What a change must be newer than. */
export type Seen = Pick<ClusterChange, 'value'> & { readonly stamp?: number };

export function isNewer(change: Pick<ClusterChange, 'value' | 'stamp'>, seen: Seen | undefined): boolean {
  const { stamp = -Infinity, value = '' } = seen ?? {};
  return change.stamp > stamp || (change.stamp === stamp && change.value > value);
}

/** Of each setting, over each value, the newest. */
export function newestOf(changes: Iterable<ClusterChange>): ClusterChange[] {
  const newest = new Map<string, ClusterChange>();
  for (const change of changes) {
    const place = placeOf(change);
    if (isNewer(change, newest.get(place))) newest.set(place, change);
  }
  return [...newest.values()];
}

/** Those of `changes` that `known` does not have, or has older ones of. */
export function missingFrom(known: readonly ClusterChange[], changes: readonly ClusterChange[]): ClusterChange[] {
  const byPlace = new Map(known.map((change) => [placeOf(change), change]));
  return changes.filter((change) => isNewer(change, byPlace.get(placeOf(change))));
}

function placeOf({ name, over }: ClusterChange): string {
  return JSON.stringify([name, over]);
}

export function formatChanges(changes: readonly ClusterChange[]): string {
  return JSON.stringify(changes);
}

/** Throws CONFIG for what are no changes. */
export function parseChanges(json: string): ClusterChange[] {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch (error) {
    throw new KvcacheError('CONFIG', `changes of settings are no JSON: ${messageOf(error)}`);
  }
  if (!Array.isArray(content) || !content.every(isClusterChange)) {
    throw new KvcacheError('CONFIG', 'these are no changes of settings');
  }
  return content;
}

function isClusterChange(value: unknown): value is ClusterChange {
  if (!isMap(value) || !Number.isSafeInteger(value['stamp'])) return false;
  return ['name', 'value', 'over'].every((member) => typeof value[member] === 'string');
}
