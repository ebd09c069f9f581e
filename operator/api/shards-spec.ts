/** `spec.shards`: the processes that hold the keys, their memory and their disks. */
import { z } from 'zod';
import { acknowledgements } from '../../commands/command.ts';
import { kubernetesShardsMax } from '../../limits.ts';
import { residentRatio, shardMebibytesMin, shardOverheadMebibytes } from './facts.ts';
import { field, group, immutable, int32, objectName, quantity } from './field.ts';
import { memoryLimit } from './pod-fields.ts';
import { podFields } from './workload-fields.ts';

const storage = group(
  z.object({
    size: field(
      quantity().default('10Gi'),
      'The disk of a shard. It may grow where the storage class allows, and not shrink.',
      {
        rules: [
          {
            rule: 'quantity(string(self)).compareTo(quantity(string(oldSelf))) >= 0',
            message: 'spec.shards.storage.size may grow and not shrink: a disk cannot be made smaller',
          },
          {
            rule: "quantity(string(self)).compareTo(quantity('64Mi')) >= 0",
            message: 'spec.shards.storage.size must be at least 64Mi',
          },
        ],
      },
    ),
    storageClassName: field(
      objectName(),
      'The storage class of the disks; the cluster’s default without it. It cannot be changed.',
    ).optional(),
    persistentVolumeClaimRetentionPolicy: group(
      z.object({
        whenScaled: field(
          z.enum(['Retain', 'Delete']).default('Delete'),
          'What happens to the disk of a shard that was removed, after its keys have moved to the others.',
        ),
        whenDeleted: field(
          z.enum(['Retain', 'Delete']),
          'What happens to the disks when the KVCache is deleted; as deletionPolicy says without it.',
        ).optional(),
      }),
      'What happens to the PersistentVolumeClaims of shards that are no longer there.',
    ),
  }),
  'The disk under each shard.',
  {
    rules: [
      immutable(
        'storageClassName',
        'spec.shards.storage.storageClassName cannot be changed: the disks exist already. Make a second KVCache and move over',
      ),
    ],
  },
);

/** What the process needs besides shards.memory: see `shardPodMemoryBytes` in operator/manifests/resources.ts. */
const shardMemoryNeeded = `quantity(string(self.memory)).asApproximateFloat() * ${residentRatio} + quantity('${shardOverheadMebibytes}Mi').asApproximateFloat()`;
const memoryRequest = "quantity(string(self.resources.requests['memory'])).asApproximateFloat()";

export const shards = group(
  z.object({
    replicas: field(
      int32({ min: 1, max: kubernetesShardsMax }).default(3),
      'How many shards there are. `kubectl scale` changes it; keys move while reads and writes go on.',
    ),
    memory: field(
      quantity().default('1Gi'),
      'Memory of a shard for index, hot values, uploads and connections together. The pod’s memory limit is higher.',
      {
        rules: [
          {
            rule: `quantity(string(self)).compareTo(quantity('${shardMebibytesMin}Mi')) >= 0`,
            message: `spec.shards.memory must be at least ${shardMebibytesMin}Mi`,
          },
        ],
      },
    ),
    storage,
    fsync: field(
      z.enum(['always', 'everysec', 'never']).default('everysec'),
      'When the log is forced to disk: before every answer, once a second, or when the system pleases.',
    ),
    acknowledgement: field(
      z.enum(acknowledgements).default('memory'),
      'When a write is answered: once it is in memory, on disk, or in Blob. A request may ask for another.',
    ),
    handoverBandwidth: field(
      quantity().default('128Mi'),
      'Bytes a second that a shard brings over in the background when keys move to it. Keys that are asked for come at once.',
    ),
    terminationGracePeriodSeconds: field(
      int32({ min: 15, max: 3_600 }).default(60),
      'How long an ending shard may take to answer what it has begun and to flush to Blob.',
    ),
    ...podFields,
  }),
  'The shards, which hold the keys.',
  {
    rules: [
      {
        rule: `!has(self.resources) || !has(self.resources.limits) || !('memory' in self.resources.limits) || ${memoryLimit} >= ${shardMemoryNeeded}`,
        message: `spec.shards.resources.limits.memory must be at least ${residentRatio} × spec.shards.memory + ${shardOverheadMebibytes}Mi, which is what the process may come to; raise the limit or lower the memory`,
      },
      {
        rule: `!has(self.resources) || !has(self.resources.requests) || !('memory' in self.resources.requests) || ${memoryRequest} <= (has(self.resources.limits) && 'memory' in self.resources.limits ? ${memoryLimit} : ${shardMemoryNeeded})`,
        message: `spec.shards.resources.requests.memory must not be above the limit, which is ${residentRatio} × spec.shards.memory + ${shardOverheadMebibytes}Mi unless resources.limits says otherwise`,
      },
    ],
  },
);
