/** Environment of the containers: what must be known before a process reads its settings, and what differs by pod. */
import type { V1EnvVar } from '@kubernetes/client-node';
import { threadPoolSize } from '../../limits.ts';
import { environmentNameOf } from '../../settings/setting.ts';
import { processEnvironment } from '../../process/process-environment.ts';
import type { EnvironmentVariable } from '../api/pod-fields.ts';
import type { KVCache } from '../api/schema.ts';
import type { Wire } from '../kube/resources.ts';
import { type Component, paths, settingsKey } from './names.ts';
import { routerHeapMebibytes, shardHeapMebibytes } from './resources.ts';
import { blobPrefix } from './settings.ts';

export type Variable = Wire<V1EnvVar>;

export function podEnvironment(cache: KVCache, component: Component): Variable[] {
  const { shards, routers } = cache.spec;
  const given = (component === 'shard' ? shards : routers).extraEnv ?? [];
  const own = [...runtimeVariables(cache, component), ...settingVariables(cache, component)];
  // Reserved names are refused at admission; what is left of ours is a default.
  const replaced = new Set(given.map(({ name }) => name));
  return [...own.filter(({ name }) => !replaced.has(name)), ...given.map(variable)];
}

function runtimeVariables({ spec }: KVCache, component: Component): Variable[] {
  const heapMebibytes = component === 'shard' ? shardHeapMebibytes(spec) : routerHeapMebibytes(spec);
  const environment = processEnvironment[component];
  const variables = {
    ...environment,
    NODE_OPTIONS: `${environment.NODE_OPTIONS} --max-old-space-size=${heapMebibytes}`,
    UV_THREADPOOL_SIZE: `${threadPoolSize}`,
  };
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}

function settingVariables(cache: KVCache, component: Component): Variable[] {
  const file = { name: 'KVCACHE_CONFIG', value: `${paths.settings}/${settingsKey(component)}` };
  const podName = { valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };
  if (component === 'router') return [file, { name: environmentNameOf('router.name'), ...podName }];
  const shardName = environmentNameOf('shard.name');
  const tenant = cache.spec.blob?.identity.workloadIdentity?.tenantID;
  return [
    file,
    { name: shardName, ...podName },
    ...(cache.spec.blob === undefined
      ? []
      : // The kubelet puts the shard's name in, because it stands before this one.
        [{ name: environmentNameOf('blob.prefix'), value: `${blobPrefix(cache)}/$(${shardName})` }]),
    // Azure's webhook takes it from the ServiceAccount too, but would leave running pods with the old one.
    ...(tenant === undefined ? [] : [{ name: 'AZURE_TENANT_ID', value: tenant }]),
  ];
}

/** Without members that are undefined: what is not said must not be sent. */
function variable({ name, value, valueFrom }: EnvironmentVariable): Variable {
  const { secretKeyRef, configMapKeyRef, fieldRef } = valueFrom ?? {};
  return {
    name,
    ...(value !== undefined && { value }),
    ...(valueFrom && {
      valueFrom: {
        ...(secretKeyRef && { secretKeyRef: reference(secretKeyRef) }),
        ...(configMapKeyRef && { configMapKeyRef: reference(configMapKeyRef) }),
        ...(fieldRef && { fieldRef: { fieldPath: fieldRef.fieldPath } }),
      },
    }),
  };
}

function reference({ name, key, optional }: { name: string; key: string; optional?: boolean | undefined }) {
  return { name, key, ...(optional !== undefined && { optional }) };
}
