/** What `spec.shards` and `spec.routers` have in common: where their pods run and what is added to them. */
import { z } from 'zod';
import { kubernetesShardsMax } from '../../limits.ts';
import { field, group, int32, labelMap, listMap, stringMap } from './field.ts';
import { environmentVariable, resources, scheduling } from './pod-fields.ts';

const variablesMax = 64;
const annotationsMax = 64;
const annotationCharsMax = 4_096;

export const annotations = (what: string) =>
  field(stringMap(annotationsMax, annotationCharsMax), `Annotations of ${what}.`);
export const labels = (what: string) =>
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
export const podFields = {
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
