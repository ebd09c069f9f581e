/**
 * `spec` of a KVCache: every field with its type, default, description and rules.
 *
 * A default that follows from other fields (a pod's memory limit from a shard's memory, say) is not written here but
 * computed by the manifest builders: a default in a CRD is stored at creation and would not follow an edit.
 */
import { z } from 'zod';
import { acknowledgements } from '../../commands/command.ts';
import { kubernetesShardsMax } from '../../limits.ts';
import { logLevels } from '../../settings/schema.ts';
import { blob } from './blob-spec.ts';
import { linkPort, residentRatio, routerMebibytesMin, shardMebibytesMin, shardOverheadMebibytes } from './facts.ts';
import {
  duration,
  field,
  group,
  immutable,
  int32,
  listMap,
  nonEmptyText,
  objectName,
  quantity,
  labelMap,
  stringMap,
} from './field.ts';
import { environmentVariable, resources, scheduling } from './pod-fields.ts';
import { security } from './security-spec.ts';

const variablesMax = 64;
const annotationsMax = 64;
const annotationCharsMax = 4_096;

const annotations = (what: string) => field(stringMap(annotationsMax, annotationCharsMax), `Annotations of ${what}.`);
const labels = (what: string) =>
  field(labelMap(annotationsMax), `Labels of ${what}, besides the operator’s own, which win.`);

const podDisruptionBudget = group(
  z.object({
    enabled: field(z.boolean().default(true), 'Whether there is a PodDisruptionBudget.'),
    maxUnavailable: field(
      int32({ min: 1, max: kubernetesShardsMax }).default(1),
      'How many pods evictions may take down at one time. At least 1, so that a node can always be drained.',
    ),
  }),
  'How many pods voluntary evictions, such as the draining of a node, may take down at one time.',
);

/** Without these a pod would not be what the operator and the others take it for. */
export const reservedVariables = [
  'KVCACHE_CONFIG',
  'KVCACHE_SHARD_NAME',
  'KVCACHE_ROUTER_NAME',
  'KVCACHE_DATA_PATH',
  'KVCACHE_TOPOLOGY_PATH',
  'KVCACHE_BLOB_PREFIX',
  'KVCACHE_GRPC_PORT',
  'KVCACHE_HTTP_PORT',
  'KVCACHE_LINK_PORT',
] as const;

/** What shards and routers have in common: where their pods run and what is added to them. */
const podFields = {
  resources: field(
    resources,
    'Resources of a pod. Missing requests and limits of memory follow from what the process needs.',
  ).optional(),
  scheduling: group(scheduling, 'Where pods run.'),
  podDisruptionBudget,
  podAnnotations: annotations('the pods').optional(),
  podLabels: labels('the pods').optional(),
  extraEnv: field(
    listMap(environmentVariable, ['name'], variablesMax),
    'Further environment variables of the container. Settings given so (KVCACHE_…) win over those of this spec.',
    {
      rules: [
        {
          rule: `self.all(variable, !(variable.name in [${reservedVariables.map((name) => `'${name}'`).join(', ')}]))`,
          message: `extraEnv must not set ${reservedVariables.slice(0, -1).join(', ')} or ${reservedVariables.at(-1)}: the operator sets them`,
        },
      ],
    },
  ).optional(),
};

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
const memoryLimit = "quantity(string(self.resources.limits['memory'])).asApproximateFloat()";

const shards = group(
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

const autoscaling = field(
  z.object({
    minReplicas: field(int32({ min: 1, max: 256 }).default(2), 'The fewest routers.'),
    maxReplicas: field(int32({ min: 1, max: 256 }), 'The most routers.'),
    targetCPUUtilizationPercentage: field(
      int32({ min: 1, max: 100 }).default(70),
      'The share of the requested processor time that routers should use on average.',
    ),
  }),
  'A HorizontalPodAutoscaler for the routers, instead of `replicas`.',
  {
    rules: [
      {
        rule: 'self.minReplicas <= self.maxReplicas',
        message: 'spec.routers.autoscaling.minReplicas must not be above maxReplicas',
      },
    ],
  },
);

const routers = group(
  z.object({
    replicas: field(int32({ min: 1, max: 256 }), 'How many routers there are; 2 without it.').optional(),
    autoscaling: autoscaling.optional(),
    unavailableReads: field(
      z.enum(['miss', 'error']).default('miss'),
      'What a read of a key answers while its shard is away.',
    ),
    unavailableWrites: field(
      z.enum(['error', 'drop']).default('error'),
      'What a write answers while its shard is away. `drop` answers OK without having stored anything, and counts it: only for clients that cannot read errors.',
    ),
    maxConnectionAge: field(
      duration().default('30m'),
      'A gRPC connection this old, plus or minus a tenth, is asked to go when its calls are done, so that clients spread over new routers; 0s for never.',
    ),
    terminationGracePeriodSeconds: field(
      int32({ min: 15, max: 3_600 }).default(45),
      'How long an ending router may take to answer what it has begun.',
    ),
    ...podFields,
  }),
  'The routers, which clients talk to.',
  {
    rules: [
      {
        rule: '!(has(self.replicas) && has(self.autoscaling))',
        message: 'spec.routers.replicas and spec.routers.autoscaling exclude each other; keep one of them',
      },
      {
        rule: `!has(self.resources) || !has(self.resources.limits) || !('memory' in self.resources.limits) || ${memoryLimit} >= quantity('${routerMebibytesMin}Mi').asApproximateFloat()`,
        message: `spec.routers.resources.limits.memory must be at least ${routerMebibytesMin}Mi, or no router starts`,
      },
    ],
  },
);

const eviction = group(
  z.object({
    enabled: field(
      z.boolean().default(true),
      'Make room on a filling disk by dropping what Blob holds, or without Blob by deleting the coldest keys. When false, writes fail with DISKFULL instead.',
    ),
    diskUsagePercent: field(
      int32({ min: 1, max: 100 }).default(80),
      'Eviction from disk begins at this share of the disk.',
    ),
    checkInterval: field(duration().default('1m'), 'How often the disk’s use is checked, besides on writes.'),
  }),
  'What happens when a disk fills up.',
);

function listener(port: number, what: string) {
  return group(
    z.object({
      enabled: field(z.boolean().default(true), 'Whether clients may reach this door.'),
      port: field(int32({ min: 1_024, max: 65_535 }).default(port), 'Its port, on the pods and on the Service.'),
    }),
    what,
  );
}

const listeners = group(
  z.object({
    grpc: listener(50_051, 'gRPC: prompt blocks, keys, health and reflection.'),
    http: listener(
      8_080,
      'HTTP: health, metrics and status. When off, the Service leaves it out; probes and metrics of the pods stay.',
    ),
  }),
  'The doors of the routers.',
  {
    rules: [
      {
        rule: 'self.grpc.port != self.http.port',
        message: 'spec.listeners: grpc and http must have different ports',
      },
      {
        rule: `self.grpc.port != ${linkPort} && self.http.port != ${linkPort}`,
        message: `spec.listeners: port ${linkPort} is the internal port of shards and routers; choose another`,
      },
      {
        rule: 'self.grpc.enabled || self.http.enabled',
        message: 'spec.listeners: at least one of grpc and http must be enabled, or no client can reach the cache',
      },
    ],
  },
);

const service = group(
  z.object({
    type: field(
      z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP'),
      'The type of the Service that clients use.',
    ),
    annotations: annotations('the Service that clients use').optional(),
  }),
  'The Service that clients use.',
);

const networkPolicy = group(
  z.object({
    enabled: field(
      z.boolean().default(true),
      'Whether a NetworkPolicy keeps the internal port to shards, routers and the operator.',
    ),
  }),
  'Who may reach the pods.',
);

const monitoring = group(
  z.object({
    serviceMonitor: group(
      z.object({
        enabled: field(
          z.boolean().default(false),
          'Whether there is a ServiceMonitor. It needs the Prometheus operator’s CRDs.',
        ),
        interval: field(duration().default('30s'), 'How often metrics are read.'),
        labels: labels('the ServiceMonitor, by which a Prometheus chooses').optional(),
      }),
      'A ServiceMonitor for Prometheus.',
    ),
    openMetrics: field(
      z.boolean().default(false),
      'Whether metrics are served without credentials and client certificates, as health and readiness always are.',
    ),
    dashboard: group(
      z.object({
        enabled: field(z.boolean().default(false), 'Whether there is a ConfigMap with a Grafana dashboard.'),
        labels: labels(
          'the ConfigMap, by which Grafana’s sidecar chooses; grafana_dashboard: "1" without it',
        ).optional(),
      }),
      'A Grafana dashboard.',
    ),
  }),
  'What watches the cache.',
);

const noCertificateAsked =
  "(!has(self.security.tls) || !has(self.security.tls.clientCA) || self.security.tls.clientAuthentication == 'Optional')";

export const spec = group(
  z.object({
    image: field(nonEmptyText(512), 'The image of shards and routers; the operator’s own without it.').optional(),
    imagePullPolicy: field(
      z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
      'When the image is pulled.',
    ),
    imagePullSecrets: field(
      listMap(z.object({ name: field(objectName(), 'The name of the Secret.') }), ['name'], 16),
      'Secrets with which the image is pulled.',
    ).optional(),
    shards,
    routers,
    blob: field(
      blob,
      'The Azure Blob account under the shards. Without it the cache is as durable as its disks.',
    ).optional(),
    eviction,
    listeners,
    service,
    networkPolicy,
    security,
    monitoring,
    logLevel: field(z.enum(logLevels).default('info'), 'How much shards and routers log.'),
    deletionPolicy: field(
      z.enum(['Retain', 'Delete']).default('Retain'),
      'What happens to disks and blobs when the KVCache is deleted. With Retain a KVCache of the same name takes them up again.',
    ),
    deletionProtection: field(
      z.boolean().default(false),
      'Whether the deletion of this KVCache is held until this is false again. Its pods go on meanwhile.',
    ),
    nodeLossPolicy: field(
      z.enum(['Wait', 'RestoreFromBlob']).default('Wait'),
      'What happens to a shard whose node is gone: wait for the node, or start on another one with an empty disk and restore from Blob. What had not reached Blob is then lost.',
    ),
    paused: field(
      z.boolean().default(false),
      'Whether the operator leaves this KVCache as it is. Pods go on; nothing is repaired or changed.',
    ),
  }),
  'What the cache should be.',
  {
    rules: [
      {
        rule: '!has(oldSelf.blob) || has(self.blob)',
        message:
          'spec.blob cannot be removed: values that only Blob holds would be lost. Make a second KVCache instead',
      },
      {
        rule: "self.shards.acknowledgement != 'blob' || has(self.blob)",
        message: "spec.shards.acknowledgement is 'blob', which needs spec.blob",
      },
      {
        rule: "self.nodeLossPolicy != 'RestoreFromBlob' || has(self.blob)",
        message: "spec.nodeLossPolicy is 'RestoreFromBlob', which needs spec.blob",
      },
      {
        rule: `!self.monitoring.serviceMonitor.enabled || self.monitoring.openMetrics || ((!has(self.security.auth) || has(self.security.auth.token)) && ${noCertificateAsked})`,
        message:
          'spec.monitoring.serviceMonitor: Prometheus can show a token, and neither a password nor a certificate; give spec.security.auth.token, make client certificates Optional, or set spec.monitoring.openMetrics',
      },
    ],
  },
);
