/**
 * The pod template that shards and routers share: security, probes, volumes, and how it ends.
 *
 * Pods meet the "restricted" level: no root, a read-only root file system, no capabilities, the runtime's seccomp
 * profile. They have no token of their ServiceAccount, because they never talk to the API server.
 *
 *   startup     /health every 2 s, for a minute    the process has begun; recovery may go on for longer
 *   liveness    /health, six misses in a minute    its event loop turns, and its log goes on
 *   readiness   /ready every 3 s                   log usable, doors open, some topology loaded
 */
import type { V1Container, V1PodTemplateSpec, V1Probe, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import { linkPort } from '../api/facts.ts';
import type { KVCache } from '../api/schema.ts';
import type { Wire } from '../kube/resources.ts';
import type { ManifestContext } from './manifest.ts';
import {
  annotationNames,
  type Component,
  dataVolume,
  namesOf,
  objectLabels,
  paths,
  doors,
  portNames,
  settingsKey,
} from './names.ts';
import { podEnvironment } from './pod-environment.ts';
import { podScheduling } from './pod-scheduling.ts';
import { routerResources, shardResources } from './resources.ts';
import { secretSources } from './secrets.ts';
import { settingsHash } from './settings.ts';

/** The user `node` of the image. */
const userId = 1_000;
/** Readable by owner and group, which `fsGroup` makes the process's own. */
const secretMode = 0o440;
const temporarySize = '64Mi';

export interface PodParts {
  readonly component: Component;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Where a component's data lie, if no claim template brings a volume. */
  readonly volumes?: readonly Wire<V1Volume>[];
  readonly lifecycle?: NonNullable<Wire<V1Container>['lifecycle']>;
}

export function podTemplate(cache: KVCache, context: ManifestContext, parts: PodParts): Wire<V1PodTemplateSpec> {
  const { component } = parts;
  const { shards, routers, imagePullSecrets } = cache.spec;
  const { podAnnotations, podLabels, terminationGracePeriodSeconds } = component === 'shard' ? shards : routers;
  return {
    metadata: {
      labels: { ...podLabels, ...parts.labels, ...objectLabels(cache, component) },
      annotations: {
        ...podAnnotations,
        ...parts.annotations,
        [annotationNames.settingsHash]: settingsHash(cache, component),
      },
    },
    spec: {
      serviceAccountName: namesOf(cache).serviceAccount,
      automountServiceAccountToken: false,
      // They would become environment variables that look like settings.
      enableServiceLinks: false,
      terminationGracePeriodSeconds,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: userId,
        runAsGroup: userId,
        fsGroup: userId,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map(({ name }) => ({ name })) }),
      ...podScheduling(cache, component),
      containers: [container(cache, context, parts)],
      volumes: [...volumes(cache, component), ...(parts.volumes ?? [])],
    },
  };
}

function container(cache: KVCache, context: ManifestContext, { component, lifecycle }: PodParts): Wire<V1Container> {
  const { spec } = cache;
  return {
    name: component,
    image: spec.image ?? context.image,
    imagePullPolicy: spec.imagePullPolicy,
    args: [component],
    env: podEnvironment(cache, component),
    ports: [
      ...doors.map((door) => ({ name: portNames[door], containerPort: spec.listeners[door].port, protocol: 'TCP' })),
      { name: portNames.link, containerPort: linkPort, protocol: 'TCP' },
    ],
    resources: component === 'shard' ? shardResources(spec) : routerResources(spec),
    startupProbe: { ...probe(cache, '/health'), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 30 },
    livenessProbe: { ...probe(cache, '/health'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...probe(cache, '/ready'), periodSeconds: 3, timeoutSeconds: 2, failureThreshold: 2 },
    ...(lifecycle && { lifecycle }),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: volumeMounts(),
  };
}

/** Health and readiness are open to all: no credentials, no client certificate. */
function probe({ spec }: KVCache, path: string): Wire<V1Probe> {
  return {
    httpGet: { path, port: portNames.http, ...(spec.security.tls && { scheme: 'HTTPS' }) },
  };
}

function volumes(cache: KVCache, component: Component): Wire<V1Volume>[] {
  const { settings, topology } = namesOf(cache);
  const key = settingsKey(component);
  return [
    { name: 'settings', configMap: { name: settings, items: [{ key, path: key }] } },
    // A process that has a copy starts without it, and one that has none says so to the operator.
    { name: 'topology', configMap: { name: topology, optional: true } },
    { name: 'secrets', projected: { defaultMode: secretMode, sources: secretSources(cache, component) } },
    { name: 'temporary', emptyDir: { sizeLimit: temporarySize } },
  ];
}

function volumeMounts(): Wire<V1VolumeMount>[] {
  return [
    { name: dataVolume, mountPath: paths.data },
    { name: 'settings', mountPath: paths.settings, readOnly: true },
    { name: 'topology', mountPath: paths.topology, readOnly: true },
    { name: 'secrets', mountPath: paths.secrets, readOnly: true },
    { name: 'temporary', mountPath: paths.temporary },
  ];
}
