/**
 * What a shard or router tells of itself over the link, as the operator needs it.
 *
 * Reports come from processes of other versions too, so nothing in them is taken for granted: what is missing is left
 * out, and what does not parse counts as no answer. Rejected: a schema, which would refuse the whole report of a newer
 * shard for one field that the operator does not even read.
 */
import { podReportBytesMax } from '../../limits.ts';

/** How far the slots on their way to a shard have come. */
export interface ShardProgress {
  readonly hasArrived: boolean;
  /** Slots whose keys are not all here yet. */
  readonly slotsArriving: number;
  readonly keysLeft: number;
  readonly bytesLeft: number;
  readonly bytesMoved: number;
}

export interface ShardReport {
  readonly kind: 'shard';
  readonly name: string;
  /** 0: it has been given no topology. */
  readonly epoch: number;
  readonly slots: number;
  readonly keys: number;
  /** Of hot values and the index. */
  readonly memoryBytes: number;
  readonly reads: { readonly hit: number; readonly miss: number };
  /** Absent without a Blob account, and from shards that do not say. */
  readonly blob: { readonly state: string; readonly unflushedBytes: number; readonly lagMs: number } | undefined;
  readonly progress: ShardProgress | undefined;
  /** Why it takes no writes, if so. */
  readonly fault: string | undefined;
}

export interface RouterReport {
  readonly kind: 'router';
  readonly name: string;
  readonly epoch: number;
  /** Shards of its topology that it has no link to now: it answers for them as for shards that are away. */
  readonly unreached: readonly string[];
}

export type ProcessReport = ShardReport | RouterReport;

/** With the run of the process that it comes from. */
export type LinkedReport = ProcessReport & { readonly process: string };

type JsonObject = Readonly<Record<string, unknown>>;

/** The reply to SHARDINFO. Undefined where it is none. */
export function parseShardReport(json: Buffer): ShardReport | undefined {
  const root = parse(json);
  if (root === undefined) return undefined;
  const hot = objectAt(root, 'hot');
  const index = objectAt(root, 'index');
  const reads = objectAt(root, 'reads');
  const blob = root['blob'] === undefined ? undefined : objectAt(root, 'blob');
  const handover = root['handover'] === undefined ? undefined : objectAt(root, 'handover');
  return {
    kind: 'shard',
    name: textAt(root, 'name') ?? '',
    epoch: countAt(root, 'epoch'),
    slots: countAt(root, 'slots'),
    keys: countAt(root, 'keys') + countAt(root, 'blocks'),
    memoryBytes: countAt(hot, 'bytes') + countAt(index, 'bytes'),
    reads: { hit: countAt(reads, 'hot') + countAt(reads, 'cold'), miss: countAt(reads, 'miss') },
    blob: blob && {
      state: textAt(blob, 'state') ?? '',
      unflushedBytes: countAt(blob, 'unflushedBytes'),
      lagMs: countAt(blob, 'lagMs'),
    },
    progress: handover && progressOf(handover),
    fault: textAt(root, 'fault'),
  };
}

/** The reply to ROUTERINFO. Undefined where it is none. */
export function parseRouterReport(json: Buffer): RouterReport | undefined {
  const root = parse(json);
  if (root === undefined) return undefined;
  const { links } = root;
  const unreached = (Array.isArray(links) ? links : []).flatMap((item: unknown) => {
    const link = asObject(item) ?? {};
    return textAt(link, 'state') === 'ready' ? [] : (textAt(link, 'shard') ?? []);
  });
  return { kind: 'router', name: textAt(root, 'name') ?? '', epoch: countAt(root, 'epoch'), unreached };
}

function progressOf(handover: JsonObject): ShardProgress {
  return {
    hasArrived: handover['hasArrived'] === true,
    slotsArriving: countAt(handover, 'slotsArriving'),
    keysLeft: countAt(handover, 'keysLeft'),
    bytesLeft: countAt(handover, 'bytesLeft'),
    bytesMoved: countAt(handover, 'bytesMoved'),
  };
}

function parse(json: Buffer): JsonObject | undefined {
  if (json.byteLength > podReportBytesMax) return undefined;
  try {
    return asObject(JSON.parse(json.toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

function objectAt(parent: JsonObject, field: string): JsonObject {
  return asObject(parent[field]) ?? {};
}

function countAt(parent: JsonObject, field: string): number {
  const value = parent[field];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.floor(value) : 0;
}

function textAt(parent: JsonObject, field: string): string | undefined {
  const value = parent[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
