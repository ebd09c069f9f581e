/**
 * A spec in which every field is set, and an edit of every field with what it must bring about. Data for tests: the
 * builders are checked against them without a cluster, and a cluster then says the same with real pods.
 *
 *   pods       the component's pods are replaced
 *   live       running processes take the setting, and no pod is replaced
 *   object     an object changes, and no pod is replaced
 *   operator   the operator does something else by it, or does it differently from then on
 *   refused    admission says why not
 */
import type { Component } from '../manifests/names.ts';
import type { SettingName } from '../../settings/schema.ts';
import type { KVCacheSpecInput } from './schema.ts';

export type EditEffect =
  | { readonly kind: 'pods'; readonly components: readonly Component[] }
  | { readonly kind: 'live'; readonly setting: SettingName }
  | { readonly kind: 'object'; readonly object: string }
  | { readonly kind: 'operator'; readonly what: string }
  | { readonly kind: 'refused'; readonly message: string };

export interface FieldEdit {
  /** Within the spec, such as `shards.memory`. */
  readonly path: string;
  /** Undefined takes the field away. */
  readonly value: unknown;
  readonly effect: EditEffect;
  /** Edits are made one after the other on `everyField`; one that cannot be has a spec of its own to begin with. */
  readonly base?: KVCacheSpecInput;
}

const blobSecret = { name: 'every-field-blob', key: 'accountKey' };

/** The account is where the tests have one; secrets and classes of these names must exist for pods to start. */
export const everyField = {
  image: 'kvcache:every-field',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [{ name: 'every-field-registry' }],
  shards: {
    replicas: 2,
    memory: '64Mi',
    storage: {
      size: '256Mi',
      storageClassName: 'standard',
      persistentVolumeClaimRetentionPolicy: { whenScaled: 'Retain', whenDeleted: 'Delete' },
    },
    fsync: 'everysec',
    acknowledgement: 'memory',
    handoverBandwidth: '64Mi',
    terminationGracePeriodSeconds: 30,
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    scheduling: {
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      tolerations: [{ key: 'every-field', operator: 'Exists', effect: 'NoSchedule' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      topologySpreadConstraints: [
        { maxSkew: 2, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
      ],
      priorityClassName: 'system-cluster-critical',
    },
    podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    podAnnotations: { 'example.com/note': 'shard' },
    podLabels: { 'example.com/team': 'serving' },
    extraEnv: [{ name: 'EVERY_FIELD', value: 'shard' }],
  },
  routers: {
    replicas: 1,
    unavailableReads: 'miss',
    unavailableWrites: 'error',
    maxConnectionAge: '30m',
    terminationGracePeriodSeconds: 20,
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    scheduling: {
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      tolerations: [{ key: 'every-field', operator: 'Exists', effect: 'NoSchedule' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      topologySpreadConstraints: [
        { maxSkew: 2, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
      ],
      priorityClassName: 'system-cluster-critical',
    },
    podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    podAnnotations: { 'example.com/note': 'router' },
    podLabels: { 'example.com/team': 'serving' },
    extraEnv: [{ name: 'EVERY_FIELD', value: 'router' }],
  },
  blob: {
    accountURL: 'http://azurite:10000/devstoreaccount1',
    container: 'every-field',
    prefix: 'every/field',
    identity: { accountKey: blobSecret },
    flushInterval: '500ms',
    maxUnflushed: '50%',
    onFull: 'error',
    fullWait: '5s',
    retention: { age: '24h', size: '1Gi' },
  },
  eviction: { enabled: true, diskUsagePercent: 80, checkInterval: '1m' },
  listeners: {
    grpc: { enabled: true, port: 50_051 },
    http: { enabled: true, port: 8_080 },
    resp: { enabled: true, port: 6_379 },
    tcp: { enabled: true, port: 6_380 },
  },
  service: { type: 'ClusterIP', annotations: { 'example.com/note': 'service' } },
  networkPolicy: { enabled: true },
  security: {
    tls: {
      secretName: 'every-field-tls',
      clientCA: { name: 'every-field-tls', key: 'ca.crt' },
      clientAuthentication: 'Optional',
    },
    auth: {
      token: { name: 'every-field-auth', key: 'token' },
      password: { name: 'every-field-auth', key: 'password' },
    },
    link: {
      secret: { name: 'every-field-link', key: 'secret' },
      tls: {
        secretName: 'every-field-link-tls',
        ca: { name: 'every-field-link-tls', key: 'ca.crt' },
        serverName: 'kvcache.example',
        clientAuthentication: 'Required',
      },
    },
  },
  monitoring: {
    serviceMonitor: { enabled: true, interval: '30s', labels: { release: 'prometheus' } },
    openMetrics: true,
    dashboard: { enabled: true, labels: { grafana_dashboard: '1' } },
  },
  logLevel: 'info',
  deletionPolicy: 'Retain',
  deletionProtection: false,
  nodeLossPolicy: 'Wait',
  paused: false,
} as const satisfies KVCacheSpecInput;

const pods = (...components: Component[]): EditEffect => ({ kind: 'pods', components });
const bothPods = pods('shard', 'router');
const live = (setting: SettingName): EditEffect => ({ kind: 'live', setting });
const object = (name: string): EditEffect => ({ kind: 'object', object: name });
const operator = (what: string): EditEffect => ({ kind: 'operator', what });
const refused = (message: string): EditEffect => ({ kind: 'refused', message });
const edit = (path: string, value: unknown, effect: EditEffect, base?: KVCacheSpecInput): FieldEdit => ({
  path,
  value,
  effect,
  ...(base && { base }),
});

/** What shards and routers have in common. */
function podEdits(component: Component): FieldEdit[] {
  const group = `${component}s`;
  const budget = `PodDisruptionBudget/c-${component}`;
  return [
    edit(`${group}.terminationGracePeriodSeconds`, 40, pods(component)),
    edit(`${group}.resources.requests`, { cpu: '60m', memory: '128Mi' }, pods(component)),
    edit(`${group}.resources.limits`, { memory: '600Mi' }, pods(component)),
    edit(`${group}.scheduling.affinity`, undefined, pods(component)),
    edit(`${group}.scheduling.tolerations`, [{ operator: 'Exists' }], pods(component)),
    edit(`${group}.scheduling.nodeSelector`, undefined, pods(component)),
    edit(`${group}.scheduling.topologySpreadConstraints`, undefined, pods(component)),
    edit(`${group}.scheduling.priorityClassName`, undefined, pods(component)),
    edit(`${group}.podDisruptionBudget.maxUnavailable`, 2, object(budget)),
    edit(`${group}.podDisruptionBudget.enabled`, false, object(budget)),
    edit(`${group}.podAnnotations`, { 'example.com/note': 'edited' }, pods(component)),
    edit(`${group}.podLabels`, { 'example.com/team': 'edited' }, pods(component)),
    edit(`${group}.extraEnv`, [{ name: 'EVERY_FIELD', value: 'edited' }], pods(component)),
  ];
}

const withIdentity = (identity: object): KVCacheSpecInput => ({
  blob: { accountURL: 'https://account.blob.core.windows.net', identity },
});
const clientID = '00000000-0000-0000-0000-000000000001';
const identity = withIdentity({ workloadIdentity: { clientID } });

export const fieldEdits: readonly FieldEdit[] = [
  // ── Shards ──────────────────────────────────────────────────────────────────────────────────────────────────────
  edit('shards.replicas', 3, operator('adds or drains shards, and the StatefulSet follows')),
  edit('shards.memory', '65Mi', pods('shard')),
  edit('shards.storage.size', '257Mi', pods('shard')),
  edit('shards.storage.storageClassName', 'other', refused('spec.shards.storage.storageClassName cannot be changed')),
  edit(
    'shards.storage.persistentVolumeClaimRetentionPolicy.whenScaled',
    'Delete',
    operator('deletes the claims of removed shards'),
  ),
  edit(
    'shards.storage.persistentVolumeClaimRetentionPolicy.whenDeleted',
    'Retain',
    operator('makes claims independent of the KVCache'),
  ),
  edit('shards.fsync', 'always', pods('shard')),
  edit('shards.acknowledgement', 'disk', live('acknowledgement')),
  edit('shards.handoverBandwidth', '32Mi', live('handover.bandwidth')),
  ...podEdits('shard'),

  // ── Routers ─────────────────────────────────────────────────────────────────────────────────────────────────────
  edit('routers.replicas', 2, object('Deployment/c-router')),
  edit('routers.unavailableReads', 'error', pods('router')),
  edit('routers.unavailableWrites', 'drop', pods('router')),
  edit('routers.maxConnectionAge', '10m', pods('router')),
  ...podEdits('router'),
  edit('routers.autoscaling.minReplicas', 1, object('HorizontalPodAutoscaler/c-router'), {
    routers: { autoscaling: { minReplicas: 2, maxReplicas: 4 } },
  }),
  edit('routers.autoscaling.maxReplicas', 3, object('HorizontalPodAutoscaler/c-router'), {
    routers: { autoscaling: { minReplicas: 2, maxReplicas: 4 } },
  }),
  edit('routers.autoscaling.targetCPUUtilizationPercentage', 50, object('HorizontalPodAutoscaler/c-router'), {
    routers: { autoscaling: { minReplicas: 2, maxReplicas: 4 } },
  }),

  // ── Blob ────────────────────────────────────────────────────────────────────────────────────────────────────────
  edit('blob.accountURL', 'http://other:10000/account', refused('spec.blob.accountURL cannot be changed')),
  edit('blob.container', 'other', refused('spec.blob.container cannot be changed')),
  edit('blob.prefix', 'other', refused('spec.blob.prefix cannot be changed')),
  edit('blob.flushInterval', '750ms', pods('shard')),
  edit('blob.maxUnflushed', '40%', pods('shard')),
  edit('blob.onFull', 'evict-unflushed', live('blob.on_full')),
  edit('blob.fullWait', '3s', live('blob.full_wait')),
  edit('blob.retention.age', '48h', live('blob.retention_age')),
  edit('blob.retention.size', '2Gi', live('blob.retention_size')),
  edit('blob.identity.accountKey.name', 'every-field-blob-2', pods('shard')),
  edit('blob.identity.accountKey.key', 'second', pods('shard')),
  edit('blob.identity.sas.name', 'other', pods('shard'), withIdentity({ sas: { name: 'sas' } })),
  edit('blob.identity.sas.key', 'other', pods('shard'), withIdentity({ sas: { name: 'sas' } })),
  edit('blob.identity.connectionString.name', 'other', pods('shard'), {
    blob: { identity: { connectionString: { name: 'account' } } },
  }),
  edit('blob.identity.connectionString.key', 'other', pods('shard'), {
    blob: { identity: { connectionString: { name: 'account' } } },
  }),
  edit('blob.identity.workloadIdentity.clientID', '00000000-0000-0000-0000-000000000002', pods('shard'), identity),
  edit('blob.identity.workloadIdentity.tenantID', clientID, pods('shard'), identity),
  edit('blob.identity.workloadIdentity.serviceAccountAnnotations', { a: 'b' }, object('ServiceAccount/c'), identity),

  // ── The cache as a whole ────────────────────────────────────────────────────────────────────────────────────────
  edit('eviction.enabled', false, live('eviction.enabled')),
  edit('eviction.diskUsagePercent', 70, live('eviction.disk_usage_threshold')),
  edit('eviction.checkInterval', '30s', live('eviction.check_interval')),
  edit('listeners.grpc.port', 50_052, bothPods),
  edit('listeners.grpc.enabled', false, bothPods),
  edit('listeners.http.port', 8_081, bothPods),
  edit('listeners.http.enabled', false, object('Service/c'), {}),
  edit('listeners.resp.port', 6_389, bothPods),
  edit('listeners.resp.enabled', false, bothPods),
  edit('listeners.tcp.port', 6_390, bothPods),
  edit('listeners.tcp.enabled', false, bothPods),
  edit('service.type', 'NodePort', object('Service/c')),
  edit('service.annotations', { 'example.com/note': 'edited' }, object('Service/c')),
  edit('networkPolicy.enabled', false, object('NetworkPolicy/c')),
  edit('security.tls.secretName', 'every-field-tls-2', bothPods),
  edit('security.tls.clientCA.name', 'every-field-tls-2', bothPods),
  edit('security.tls.clientCA.key', 'authority.crt', bothPods),
  edit('security.tls.clientAuthentication', 'Required', bothPods),
  edit('security.auth.token.name', 'every-field-auth-2', bothPods),
  edit('security.auth.token.key', 'other', bothPods),
  edit('security.auth.password.name', 'every-field-auth-2', bothPods),
  edit('security.auth.password.key', 'other', bothPods),
  edit('security.link.secret.name', 'every-field-link-2', bothPods),
  edit('security.link.secret.key', 'other', bothPods),
  edit('security.link.tls.secretName', 'every-field-link-tls-2', bothPods),
  edit('security.link.tls.ca.name', 'every-field-link-tls-2', bothPods),
  edit('security.link.tls.ca.key', 'authority.crt', bothPods),
  edit('security.link.tls.serverName', 'other.example', bothPods),
  edit('security.link.tls.clientAuthentication', 'Optional', bothPods),
  edit('monitoring.serviceMonitor.interval', '15s', object('ServiceMonitor/c')),
  edit('monitoring.serviceMonitor.labels', { release: 'edited' }, object('ServiceMonitor/c')),
  edit('monitoring.serviceMonitor.enabled', false, object('ServiceMonitor/c')),
  edit('monitoring.openMetrics', false, bothPods),
  edit('monitoring.dashboard.labels', { grafana_dashboard: 'edited' }, object('ConfigMap/c-dashboard')),
  edit('monitoring.dashboard.enabled', false, object('ConfigMap/c-dashboard')),
  edit('logLevel', 'debug', live('log_level')),
  edit('image', 'kvcache:edited', bothPods),
  edit('imagePullPolicy', 'Never', bothPods),
  edit('imagePullSecrets', [{ name: 'every-field-registry-2' }], bothPods),
  edit('deletionPolicy', 'Delete', operator('deletes disks and blobs with the KVCache')),
  edit('deletionProtection', true, operator('holds the deletion of the KVCache')),
  edit('nodeLossPolicy', 'RestoreFromBlob', operator('starts shards of lost nodes elsewhere')),
  edit('paused', true, operator('leaves the KVCache as it is')),
];

/** The spec with one field edited. */
export function edited(spec: KVCacheSpecInput, { path, value }: FieldEdit): KVCacheSpecInput {
  const copy = structuredClone(spec) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  let at = copy;
  for (const name of names) at = (at[name] ??= {}) as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}
