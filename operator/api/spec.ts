/**
 * `spec` of a KVCache: every field with its type, default, description and rules.
 *
 * A default that follows from other fields (a pod's memory limit from a shard's memory, say) is not written here but
 * computed by the manifest builders: a default in a CRD is stored at creation and would not follow an edit.
 */
import { z } from 'zod';
import { logLevels } from '../../settings/schema.ts';
import { blob } from './blob-spec.ts';
import { linkPort } from './facts.ts';
import { duration, field, group, int32, listMap, nonEmptyText, objectName } from './field.ts';
import { routers } from './routers-spec.ts';
import { security } from './security-spec.ts';
import { shards } from './shards-spec.ts';
import { annotations, labels } from './workload-fields.ts';

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

const portsInCel = '[self.grpc.port, self.http.port, self.resp.port, self.tcp.port]';

const listeners = group(
  z.object({
    grpc: listener(50_051, 'gRPC: prompt blocks, keys, health and reflection.'),
    http: listener(
      8_080,
      'HTTP: REST, the dashboard, health and metrics. When off, the Service leaves it out; probes and metrics of the pods stay.',
    ),
    resp: listener(6_379, 'RESP, the protocol of Redis: any of its clients, and LMCache.'),
    tcp: listener(6_380, 'The binary protocol of typed values.'),
  }),
  'The doors of routers and shards.',
  {
    rules: [
      {
        rule: `${portsInCel}.all(port, ${portsInCel}.exists_one(other, other == port))`,
        message: 'spec.listeners: grpc, http, resp and tcp must have different ports',
      },
      {
        rule: `!(${linkPort} in ${portsInCel})`,
        message: `spec.listeners: port ${linkPort} is the internal port of shards and routers; choose another`,
      },
      {
        rule: 'self.grpc.enabled || self.http.enabled || self.resp.enabled || self.tcp.enabled',
        message: 'spec.listeners: at least one of them must be enabled, or no client can reach the cache',
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
