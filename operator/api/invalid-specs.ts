/**
 * Objects that admission must refuse, each with a part of the message that a user reads. Data for tests: the rules are
 * CEL, which only an API server evaluates.
 *
 * `before` is there where the rule is about a change: it is created first, and must be accepted.
 */
import { kubernetesNameCharsMax } from '../../limits.ts';

export interface InvalidSpec {
  /** Completes "refuses …". */
  readonly title: string;
  /** Of the object; one is made up without it. */
  readonly name?: string;
  readonly before?: object;
  readonly spec: object;
  readonly message: string;
}

const key = { name: 'account' };
const account = { accountURL: 'https://account.blob.core.windows.net', identity: { workloadIdentity: {} } };
const manyCharacters = 'a'.repeat(kubernetesNameCharsMax + 1);

export const invalidSpecs: readonly InvalidSpec[] = [
  // ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    title: 'a name that is too long for its pods',
    name: manyCharacters,
    spec: {},
    message: 'metadata.name must be at most 40 lower-case letters, digits and dashes',
  },
  { title: 'a name with dots', name: 'my.cache', spec: {}, message: 'metadata.name must be at most 40 lower-case' },
  { title: 'a name that begins with a digit', name: '3-shards-cache', spec: {}, message: 'begin with a letter' },
  {
    title: 'the name of another cache’s Service',
    name: 'other-shards',
    spec: {},
    message: 'metadata.name must not end in -shards or -routers',
  },

  // ── Shards ──────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    title: 'no shards',
    spec: { shards: { replicas: 0 } },
    message: 'spec.shards.replicas in body should be greater than or equal to 1',
  },
  {
    title: 'more shards than a topology has room for',
    spec: { shards: { replicas: 257 } },
    message: 'spec.shards.replicas in body should be less than or equal to 256',
  },
  {
    title: 'too little memory',
    spec: { shards: { memory: '32Mi' } },
    message: 'spec.shards.memory must be at least 64Mi',
  },
  {
    title: 'memory without a unit that is meant to have one',
    spec: { shards: { memory: 4 } },
    message: 'spec.shards.memory must be at least 64Mi',
  },
  { title: 'memory that is no quantity', spec: { shards: { memory: '4 GB' } }, message: 'spec.shards.memory' },
  {
    title: 'a memory limit below what the process may come to',
    spec: { shards: { memory: '1Gi', resources: { limits: { memory: '1Gi' } } } },
    message: 'spec.shards.resources.limits.memory must be at least 1.25 × spec.shards.memory + 192Mi',
  },
  {
    title: 'memory raised above the limit',
    before: { shards: { memory: '1Gi', resources: { limits: { memory: '1472Mi' } } } },
    spec: { shards: { memory: '1025Mi', resources: { limits: { memory: '1472Mi' } } } },
    message: 'spec.shards.resources.limits.memory must be at least 1.25 × spec.shards.memory + 192Mi',
  },
  {
    title: 'memory requests above the limit that follows from the memory',
    spec: { shards: { memory: '1Gi', resources: { requests: { memory: '2Gi' } } } },
    message: 'spec.shards.resources.requests.memory must not be above the limit',
  },
  {
    title: 'a small disk',
    spec: { shards: { storage: { size: '10Mi' } } },
    message: 'spec.shards.storage.size must be at least 64Mi',
  },
  {
    title: 'a disk that shrinks',
    before: { shards: { storage: { size: '10Gi' } } },
    spec: { shards: { storage: { size: '5Gi' } } },
    message: 'spec.shards.storage.size may grow and not shrink',
  },
  {
    title: 'another storage class',
    before: { shards: { storage: { storageClassName: 'fast' } } },
    spec: { shards: { storage: { storageClassName: 'slow' } } },
    message: 'spec.shards.storage.storageClassName cannot be changed',
  },
  {
    title: 'a storage class where there was none',
    before: {},
    spec: { shards: { storage: { storageClassName: 'fast' } } },
    message: 'spec.shards.storage.storageClassName cannot be changed',
  },
  {
    title: 'an unknown way to force the log to disk',
    spec: { shards: { fsync: 'sometimes' } },
    message: 'supported values: "always", "everysec", "never"',
  },
  {
    title: 'acknowledgement by Blob without Blob',
    spec: { shards: { acknowledgement: 'blob' } },
    message: "spec.shards.acknowledgement is 'blob', which needs spec.blob",
  },
  {
    title: 'too little time to end',
    spec: { shards: { terminationGracePeriodSeconds: 5 } },
    message: 'spec.shards.terminationGracePeriodSeconds in body should be greater than or equal to 15',
  },
  {
    title: 'a budget that keeps nodes from being drained',
    spec: { shards: { podDisruptionBudget: { maxUnavailable: 0 } } },
    message: 'spec.shards.podDisruptionBudget.maxUnavailable in body should be greater than or equal to 1',
  },
  {
    title: 'a variable that the operator sets',
    spec: { shards: { extraEnv: [{ name: 'KVCACHE_SHARD_NAME', value: 'mine' }] } },
    message: 'extraEnv must not set KVCACHE_CONFIG, KVCACHE_SHARD_NAME',
  },
  {
    title: 'a variable with two values',
    spec: {
      shards: { extraEnv: [{ name: 'A', value: '1', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    },
    message: 'a variable of extraEnv has either value or valueFrom',
  },
  {
    title: 'a variable from nowhere',
    spec: { shards: { extraEnv: [{ name: 'A', valueFrom: {} }] } },
    message: 'valueFrom of extraEnv must have exactly one of',
  },
  {
    title: 'requests above limits',
    spec: { routers: { resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } } },
    message: 'resources.requests must not be above resources.limits',
  },
  {
    title: 'a router without memory',
    spec: { routers: { resources: { limits: { memory: '64Mi' } } } },
    message: 'spec.routers.resources.limits.memory must be at least 128Mi',
  },
  {
    title: 'a label value that no label can have',
    spec: { shards: { podLabels: { team: 'two words' } } },
    message: 'spec.shards.podLabels.team in body should match',
  },
  {
    title: 'one variable twice',
    spec: {
      routers: {
        extraEnv: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
    },
    message: 'Duplicate value',
  },

  // ── Routers ─────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    title: 'replicas and autoscaling together',
    spec: { routers: { replicas: 3, autoscaling: { maxReplicas: 5 } } },
    message: 'spec.routers.replicas and spec.routers.autoscaling exclude each other',
  },
  {
    title: 'autoscaling between bounds in the wrong order',
    spec: { routers: { autoscaling: { minReplicas: 4, maxReplicas: 3 } } },
    message: 'spec.routers.autoscaling.minReplicas must not be above maxReplicas',
  },
  {
    title: 'a duration without a unit',
    spec: { routers: { maxConnectionAge: '30' } },
    message: 'spec.routers.maxConnectionAge in body should match',
  },

  // ── Blob ────────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    title: 'Blob without an identity',
    spec: { blob: { accountURL: account.accountURL, identity: {} } },
    message: 'spec.blob.identity must have exactly one of workloadIdentity, accountKey, sas and connectionString',
  },
  {
    title: 'two identities',
    spec: { blob: { accountURL: account.accountURL, identity: { accountKey: key, sas: key } } },
    message: 'spec.blob.identity must have exactly one of',
  },
  {
    title: 'an account both by URL and by connection string',
    spec: { blob: { accountURL: account.accountURL, identity: { connectionString: key } } },
    message: 'spec.blob.accountURL is needed unless spec.blob.identity.connectionString names the account',
  },
  {
    title: 'Blob without an account',
    spec: { blob: { identity: { accountKey: key } } },
    message: 'spec.blob.accountURL is needed unless',
  },
  {
    title: 'workload identity without TLS',
    spec: { blob: { accountURL: 'http://azurite:10000/account', identity: { workloadIdentity: {} } } },
    message: 'spec.blob.accountURL must be https with workloadIdentity',
  },
  {
    title: 'an account that changes',
    before: { blob: account },
    spec: { blob: { ...account, accountURL: 'https://other.blob.core.windows.net' } },
    message: 'spec.blob.accountURL cannot be changed',
  },
  {
    title: 'a container that changes',
    before: { blob: account },
    spec: { blob: { ...account, container: 'other' } },
    message: 'spec.blob.container cannot be changed',
  },
  {
    title: 'a prefix that appears',
    before: { blob: account },
    spec: { blob: { ...account, prefix: 'elsewhere' } },
    message: 'spec.blob.prefix cannot be changed',
  },
  {
    title: 'Blob taken away',
    before: { blob: account },
    spec: {},
    message: 'spec.blob cannot be removed',
  },
  {
    title: 'a container name that Azure does not take',
    spec: { blob: { ...account, container: 'My_Container' } },
    message: 'spec.blob.container in body should match',
  },
  {
    title: 'flushes without a pause',
    spec: { blob: { ...account, flushInterval: '1ms' } },
    message: 'spec.blob.flushInterval must be at least 50ms',
  },
  {
    title: 'restoring from a Blob that is not there',
    spec: { nodeLossPolicy: 'RestoreFromBlob' },
    message: "spec.nodeLossPolicy is 'RestoreFromBlob', which needs spec.blob",
  },

  // ── The rest ────────────────────────────────────────────────────────────────────────────────────────────────────
  {
    title: 'two doors on one port',
    spec: { listeners: { grpc: { port: 8_080 } } },
    message: 'spec.listeners: grpc, http, resp and tcp must have different ports',
  },
  {
    title: 'a door on the internal port',
    spec: { listeners: { http: { port: 7_051 } } },
    message: 'spec.listeners: port 7051 is the internal port of shards and routers',
  },
  {
    title: 'a port that needs root',
    spec: { listeners: { http: { port: 80 } } },
    message: 'spec.listeners.http.port in body should be greater than or equal to 1024',
  },
  {
    title: 'no door at all',
    spec: {
      listeners: {
        grpc: { enabled: false },
        http: { enabled: false },
        resp: { enabled: false },
        tcp: { enabled: false },
      },
    },
    message: 'spec.listeners: at least one of them must be enabled',
  },
  {
    title: 'credentials of neither kind',
    spec: { security: { auth: {} } },
    message: 'spec.security.auth must have token, password or both',
  },
  {
    title: 'TLS without its Secret',
    spec: { security: { tls: {} } },
    message: 'spec.security.tls.secretName: Required value',
  },
  {
    title: 'a ServiceMonitor that would be refused for want of a token',
    spec: {
      security: { auth: { password: { name: 'clients' } } },
      monitoring: { serviceMonitor: { enabled: true } },
    },
    message: 'spec.monitoring.serviceMonitor: Prometheus can show a token, and neither a password nor a certificate',
  },
  {
    title: 'an unknown deletion policy',
    spec: { deletionPolicy: 'Keep' },
    message: 'supported values: "Retain", "Delete"',
  },
  {
    title: 'an unknown log level',
    spec: { logLevel: 'loud' },
    message: 'spec.logLevel: Unsupported value: "loud"',
  },
];
