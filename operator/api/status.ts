/**
 * `status` of a KVCache: what the operator last saw.
 *
 * Figures that move all the time (hit rate, memory) are texts of three digits, so that an idle cache's status stays
 * the same from one look to the next and costs no write.
 */
import { z } from 'zod';
import { kubernetesShardsMax } from '../../limits.ts';
import { field, int32, int64, listMap, nonEmptyText, text } from './field.ts';

/** A figure that only grows or is measured; unknown until pods have reported. */
const count = (description: string) => field(int64(), description);
const replicas = (description: string) => field(int32({ min: 0, max: 2_147_483_647 }), description);

export const conditionTypes = [
  'Ready',
  'Progressing',
  'Degraded',
  'Durable',
  'ScaleBlocked',
  'Reconciling',
  'Stalled',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

const condition = field(
  z.object({
    type: field(
      nonEmptyText(316),
      'Ready (serving as the spec says), Progressing (on the way to it), Degraded (something needs attention), Durable (every write reaches Blob), ScaleBlocked (a change of shards does not go on), Reconciling and Stalled (Progressing and what needs a person, as kstatus calls them).',
    ),
    status: field(z.enum(['True', 'False', 'Unknown']), 'Whether it holds.'),
    reason: field(nonEmptyText(1_024), 'Why, as one word for programs.'),
    message: field(text(32_768), 'Why, as a sentence for people.'),
    observedGeneration: field(int64(), 'The generation of the spec that this is about.').optional(),
    lastTransitionTime: field(z.string().meta({ format: 'date-time' }), 'When the status last changed.'),
  }),
  'One aspect of the state.',
);

/** Where a shard is in its life. */
export const shardPhases = ['Pending', 'Starting', 'Ready', 'Draining', 'Unready', 'Lost'] as const;
export type ShardPhase = (typeof shardPhases)[number];

const shard = z.object({
  name: field(nonEmptyText(253), 'The shard’s name, which is its pod’s.'),
  phase: field(
    z.enum(shardPhases),
    'Pending (no node yet), Starting, Ready, Draining (its slots are moving away), Unready (its pod does not answer), Lost (its node is gone).',
  ),
  ready: field(z.boolean(), 'Whether its pod is ready.'),
  node: field(text(253), 'The node that it runs on.').optional(),
  revision: field(text(253), 'The revision of the pod template that it runs.').optional(),
  upToDate: field(z.boolean(), 'Whether that is the newest one.').optional(),
  epoch: field(int64(), 'The topology epoch that it runs by.').optional(),
  slots: field(int32({ min: 0, max: 16_384 }), 'The slots that it owns.').optional(),
  slotsArriving: field(
    int32({ min: 0, max: 16_384 }),
    'Of these, the ones whose keys are still on the way.',
  ).optional(),
  restarts: replicas('How often its container was restarted.').optional(),
  keys: count('Keys and prompt blocks that it holds, to three digits.').optional(),
  memory: field(text(32), 'Memory that hot values and the index take.').optional(),
  hitRate: field(text(16), 'The share of its reads that found their key.').optional(),
  blobLag: field(text(16), 'How long ago everything then written was in Blob.').optional(),
  message: field(text(1_024), 'What is wrong with it, if anything.').optional(),
});

const scaling = z.object({
  from: replicas('How many shards there were.'),
  to: replicas('How many there will be.'),
  slotsMoving: field(int32({ min: 0, max: 16_384 }), 'Slots whose keys are still on the way.'),
  keysLeft: count('Keys that are still to be moved.'),
  bytesLeft: count('Their bytes.'),
  bytesMoved: count('Bytes that have been moved since the last change of the topology.'),
});

const rollout = z.object({
  updated: replicas('Shards that run the newest pod template.'),
  total: replicas('All shards.'),
  halted: field(text(1_024), 'Why the rollout does not go on, if it does not.').optional(),
});

export const status = field(
  z.object({
    observedGeneration: field(int64(), 'The generation of the spec that this status is about.').optional(),
    conditions: field(listMap(condition, ['type'], 16), 'The state in several aspects.').optional(),
    replicas: replicas('How many shards there are: what `kubectl scale` and autoscalers read.').optional(),
    selector: field(text(1_024), 'The labels of the shards’ pods, for autoscalers.').optional(),
    shardsReady: field(text(32), 'Ready and wanted shards, such as 3/3.').optional(),
    routersReady: field(text(32), 'Ready and wanted routers, such as 2/2.').optional(),
    epoch: field(int64(), 'The epoch of the topology in force.').optional(),
    slotsServed: field(
      int32({ min: 0, max: 16_384 }),
      'How many of the 16384 slots have an owner that is ready.',
    ).optional(),
    hitRate: field(
      text(16),
      'The share of reads that found their key, such as 97.1%, since the pods started.',
    ).optional(),
    memoryUsed: field(text(32), 'Memory that hot values and the index take on all shards.').optional(),
    scaling: field(scaling, 'The change of shards that is under way.').optional(),
    rollout: field(rollout, 'The change of the pods that is under way.').optional(),
    shards: field(listMap(shard, ['name'], 2 * kubernetesShardsMax), 'Every shard.').optional(),
  }),
  'What the operator last saw.',
);

export type Condition = z.output<typeof condition>;
export type ShardStatus = z.output<typeof shard>;
