/**
 * Every Event that the operator writes about a KVCache, and every reason of its conditions, in one place. They are a
 * contract with alerts and scripts: the words stay the same, the messages may change. `docs/operator.md` lists them, and
 * a test keeps both equal.
 */

interface EventReason {
  readonly type: 'Normal' | 'Warning';
  readonly means: string;
}

const normal = (means: string): EventReason => ({ type: 'Normal', means });
const warning = (means: string): EventReason => ({ type: 'Warning', means });

export const eventReasons = {
  TopologyPublished: normal('A new topology is in force: the first one, other members, or everything has arrived.'),
  TopologyRestored: warning(
    'The ConfigMap of the topology was missing or different and follows the shards’ copies again.',
  ),
  TopologyUnknown: warning('There are data, and no shard has said yet which topology is in force.'),
  ScalingOut: normal('Shards are added.'),
  ScalingIn: normal('Shards are removed; their slots move away first.'),
  Scaled: normal('Every slot has arrived; the cache has the wanted shards.'),
  ScaleBlocked: warning('A change of shards does not go on; the message names the shards that it waits for.'),
  ShardsAbandoned: warning('Shards named by the annotation were given up: what only they held is lost.'),
  ShardRestarted: normal('A ready shard was flushed and evicted, to come back with the newest pod template.'),
  PodDiscarded: normal('A pod of a superseded revision that serves nobody was deleted.'),
  RolloutHalted: warning('The newest pod template does not get ready; the other shards keep the one they have.'),
  RolloutFinished: normal('Every shard runs the newest pod template.'),
  EvictionBlocked: warning('A PodDisruptionBudget does not allow the next restart.'),
  VolumeExpanded: normal('A disk was asked to grow.'),
  VolumeNotExpandable: warning('A disk should grow and its storage class does not allow it.'),
  VolumeDeleted: normal('The disk of a removed shard was deleted.'),
  ShardSetRemade: normal('The StatefulSet was made anew around its running pods, for larger disks.'),
  NodeLost: warning('A shard’s node is gone.'),
  ShardReplaced: warning('A shard of a lost node starts elsewhere and restores itself from Blob.'),
  ObjectTaken: warning('An object of a name that the cache needs belongs to somebody else.'),
  ApplyFailed: warning('The API server refused an object; the message has its words.'),
  SpecRefused: warning('The KVCache does not fit the schema of this operator.'),
  SettingsRefused: warning('A running process refused a changed setting.'),
  BecameReady: normal('Every slot is served.'),
  BecameUnready: warning('Some slots are not served; the message says which shards are away.'),
  DataAdopted: normal('Disks of an earlier KVCache of this name were taken up again.'),
  DeletionHeld: warning('deletionProtection holds the deletion.'),
  DataDeleted: normal('Disks and blobs were deleted, as the deletion policy says.'),
  DeletionIncomplete: warning('Disks or blobs could not be deleted in time and were left.'),
} as const satisfies Record<string, EventReason>;

export type EventReasonName = keyof typeof eventReasons;

/** What happened, to be told once. */
export interface Happening {
  readonly reason: EventReasonName;
  readonly message: string;
}

/** Reasons of conditions, by type; what they mean when the condition has the status that goes with them. */
export const conditionReasons = {
  Ready: {
    Serving: 'Every slot has an owner that is ready, and the routers that are ready reach it.',
    Starting: 'Shards or routers have not been ready yet.',
    ShardsUnready: 'Slots are not served, for their owners are not ready.',
    RoutersUnready: 'No router is ready.',
    RoutersUnlinked: 'A router in service does not reach a shard that is ready.',
    TopologyUnknown: 'No shard has said yet which topology is in force.',
    SpecRefused: 'The KVCache does not fit the schema of this operator.',
    Deleting: 'The KVCache is being deleted.',
  },
  Progressing: {
    Settled: 'Everything is as the spec says.',
    Starting: 'Pods are being made.',
    Scaling: 'Slots are moving between shards, or shards come and go.',
    Rolling: 'Shards are brought to the newest pod template, one at a time.',
    RollingRouters: 'Routers are brought to the newest pod template.',
    Halted: 'The way to the wanted state is blocked; Degraded says why.',
    Paused: 'spec.paused is true.',
    Deleting: 'The KVCache is being deleted.',
  },
  Degraded: {
    Healthy: 'Nothing needs attention.',
    RolloutHalted: 'The newest pod template does not get ready.',
    RoutersHalted: 'The newest pod template of the routers does not get ready.',
    ShardsUnready: 'Shards are not ready, for a while or for a reason that Kubernetes names.',
    RoutersUnready: 'The same of routers.',
    NodeLost: 'A shard’s node is gone.',
    Unreachable: 'A ready process does not answer the operator.',
    ShardFault: 'A shard says that it takes no writes.',
    VolumesStuck: 'Disks should grow and cannot.',
    ObjectTaken: 'An object of a name that the cache needs belongs to somebody else.',
    ApplyFailed: 'The API server refuses an object.',
    SpecRefused: 'The KVCache does not fit the schema of this operator.',
    TopologyUnknown: 'There are data, and no shard has said yet which topology is in force.',
    BlobUnavailable: 'Shards cannot reach their Blob account.',
  },
  Durable: {
    WritesReachBlob: 'Shards write behind to Blob, and Blob takes it.',
    DisksOnly: 'There is no spec.blob: values live as long as the disks.',
    BlobUnavailable: 'Shards cannot reach their Blob account: new writes are on disk only.',
    Unknown: 'No shard has told of Blob yet.',
  },
  ScaleBlocked: {
    Free: 'Nothing is in the way of a change of shards.',
    ShardsAway: 'Shards that take part do not answer.',
    ProcessesBehind: 'Processes do not take the newest topology.',
    ProcessesSilent: 'A ready process does not say which topology it runs by.',
  },
  Reconciling: { Settled: 'As Progressing says.', Progressing: 'As Progressing says.' },
  Stalled: { Healthy: 'As Degraded says.', Degraded: 'Progress needs a person: see Degraded or ScaleBlocked.' },
} as const;
