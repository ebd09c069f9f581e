/**
 * Parts of the pod API that a KVCache hands on: resources, scheduling, secrets, environment.
 *
 * They are declared in full rather than as free-form objects, so that a misspelt field is refused when the KVCache is
 * applied and not found out when no pod appears. The shapes are those of core/v1; the descriptions are ours.
 */
import { z } from 'zod';
import { field, int32, listMap, nonEmptyText, objectName, quantity, stringMap, text } from './field.ts';

/** Longest label key, with its prefix. */
const keyCharsMax = 317;
const labelValueCharsMax = 63;
const termsMax = 32;
const valuesMax = 64;

const secretDataKey = nonEmptyText(253).regex(/^[-._a-zA-Z0-9]+$/);
const secretName = field(objectName(), 'The name of the Secret, in the namespace of the KVCache.');

/** The value of one key of a Secret, with the key that is usual for its purpose. */
export function secretKeyOr(key: string) {
  return z.object({
    name: secretName,
    key: field(secretDataKey.default(key), 'The key within the Secret.'),
  });
}

// ── Resources ───────────────────────────────────────────────────────────────────────────────────────────────────
const resourceMap = z.record(z.string(), quantity()).meta({ maxProperties: 16 });

export const resources = z
  .object({
    requests: field(resourceMap, 'What the scheduler sets aside for a pod, such as cpu and memory.').optional(),
    limits: field(resourceMap, 'What a pod may use at most.').optional(),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)',
        message: 'resources.requests must not be above resources.limits',
      },
    ],
  });

/** In CEL: the memory limit of the `resources` of `self`, where there is one. */
export const memoryLimit = "quantity(string(self.resources.limits['memory'])).asApproximateFloat()";

// ── Scheduling ──────────────────────────────────────────────────────────────────────────────────────────────────
const labelSelector = z.object({
  matchLabels: field(
    stringMap(valuesMax, labelValueCharsMax),
    'Labels that must have exactly these values.',
  ).optional(),
  matchExpressions: field(
    z
      .array(
        z.object({
          key: field(nonEmptyText(keyCharsMax), 'The label.'),
          operator: field(z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']), 'How the label is compared.'),
          values: field(
            z.array(text(labelValueCharsMax)).max(valuesMax),
            'What it is compared with; empty for Exists and DoesNotExist.',
          ).optional(),
        }),
      )
      .max(termsMax),
    'Conditions that must all hold.',
  ).optional(),
});

const nodeRequirement = z.object({
  key: field(nonEmptyText(keyCharsMax), 'The label or field of the node.'),
  operator: field(z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']), 'How it is compared.'),
  values: field(
    z.array(text(labelValueCharsMax)).max(valuesMax),
    'What it is compared with; empty for Exists and DoesNotExist, one number for Gt and Lt.',
  ).optional(),
});

const nodeTerm = z.object({
  matchExpressions: field(
    z.array(nodeRequirement).max(termsMax),
    'Conditions on the labels of a node, all of which must hold.',
  ).optional(),
  matchFields: field(
    z.array(nodeRequirement).max(termsMax),
    'Conditions on the fields of a node, all of which must hold.',
  ).optional(),
});

const podTerm = z.object({
  labelSelector: field(labelSelector, 'Which pods are meant; none without it.').optional(),
  topologyKey: field(nonEmptyText(keyCharsMax), 'The node label whose equal values mean "together".'),
  namespaces: field(
    z.array(objectName()).max(valuesMax),
    'Namespaces of the pods; the cache’s own without this and namespaceSelector.',
  ).optional(),
  namespaceSelector: field(labelSelector, 'Namespaces of the pods by label; an empty selector means all.').optional(),
  matchLabelKeys: field(
    z.array(nonEmptyText(keyCharsMax)).max(termsMax),
    'Labels whose values are taken from the pod that is placed, and must be equal.',
  ).optional(),
  mismatchLabelKeys: field(
    z.array(nonEmptyText(keyCharsMax)).max(termsMax),
    'Labels whose values are taken from the pod that is placed, and must differ.',
  ).optional(),
});

const weight = field(int32({ min: 1, max: 100 }), 'How much a node that matches is preferred, from 1 to 100.');

function podAffinity(required: string, preferred: string) {
  return z.object({
    requiredDuringSchedulingIgnoredDuringExecution: field(z.array(podTerm).max(termsMax), required).optional(),
    preferredDuringSchedulingIgnoredDuringExecution: field(
      z
        .array(z.object({ weight, podAffinityTerm: field(podTerm, 'The pods that are meant, and what "near" means.') }))
        .max(termsMax),
      preferred,
    ).optional(),
  });
}

const affinity = z.object({
  nodeAffinity: field(
    z.object({
      requiredDuringSchedulingIgnoredDuringExecution: field(
        z.object({
          nodeSelectorTerms: field(z.array(nodeTerm).max(termsMax), 'Terms of which one must hold.'),
        }),
        'Nodes that pods must run on.',
      ).optional(),
      preferredDuringSchedulingIgnoredDuringExecution: field(
        z.array(z.object({ weight, preference: field(nodeTerm, 'The nodes that are preferred.') })).max(termsMax),
        'Nodes that pods should run on.',
      ).optional(),
    }),
    'Nodes that pods must or should run on.',
  ).optional(),
  podAffinity: field(
    podAffinity('Pods that pods must run near.', 'Pods that pods should run near.'),
    'Pods that pods must or should run near.',
  ).optional(),
  podAntiAffinity: field(
    podAffinity('Pods that pods must not run near.', 'Pods that pods should not run near.'),
    'Pods that pods must not or should not run near.',
  ).optional(),
});

const toleration = z.object({
  key: field(text(keyCharsMax), 'The taint’s key; empty with Exists means every taint.').optional(),
  operator: field(z.enum(['Exists', 'Equal']), 'How the taint’s value is compared; Equal without it.').optional(),
  value: field(text(labelValueCharsMax), 'The taint’s value, with Equal.').optional(),
  effect: field(
    z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
    'The taint’s effect; every effect without it.',
  ).optional(),
  tolerationSeconds: field(
    z.int().meta({ format: 'int64' }),
    'How long a NoExecute taint is tolerated; for ever without it.',
  ).optional(),
});

const topologySpreadConstraint = z.object({
  maxSkew: field(int32({ min: 1, max: 1_000 }), 'By how many pods two domains may differ.'),
  topologyKey: field(nonEmptyText(keyCharsMax), 'The node label whose values are the domains.'),
  whenUnsatisfiable: field(
    z.enum(['DoNotSchedule', 'ScheduleAnyway']),
    'Whether a pod that cannot be placed evenly waits or is placed all the same.',
  ),
  labelSelector: field(labelSelector, 'The pods that are counted; those of this component without it.').optional(),
  minDomains: field(int32({ min: 1, max: 1_000 }), 'How many domains there must be at least.').optional(),
  nodeAffinityPolicy: field(
    z.enum(['Honor', 'Ignore']),
    'Whether only nodes are counted that the pod’s affinity allows.',
  ).optional(),
  nodeTaintsPolicy: field(
    z.enum(['Honor', 'Ignore']),
    'Whether only nodes are counted whose taints the pod tolerates.',
  ).optional(),
  matchLabelKeys: field(
    z.array(nonEmptyText(keyCharsMax)).max(termsMax),
    'Labels whose values are taken from the pod that is placed, and must be equal.',
  ).optional(),
});

export const scheduling = z.object({
  affinity: field(
    affinity,
    'Rules about nodes and neighbours. Without it, pods of one component prefer different nodes.',
  ).optional(),
  tolerations: field(z.array(toleration).max(termsMax), 'Taints that pods tolerate.').optional(),
  nodeSelector: field(stringMap(valuesMax, labelValueCharsMax), 'Labels that a node must have.').optional(),
  topologySpreadConstraints: field(
    listMap(topologySpreadConstraint, ['topologyKey', 'whenUnsatisfiable'], termsMax),
    'How pods are spread. Without it they are spread over zones where that is possible.',
  ).optional(),
  priorityClassName: field(objectName(), 'The PriorityClass of the pods.').optional(),
});

// ── Environment ─────────────────────────────────────────────────────────────────────────────────────────────────
const keyOf = (kind: string) =>
  z.object({
    name: field(objectName(), `The name of the ${kind}.`),
    key: field(secretDataKey, 'The key within it.'),
    optional: field(z.boolean(), 'Whether it may be missing.').optional(),
  });

export const environmentVariable = z
  .object({
    name: field(nonEmptyText(256).regex(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/), 'The variable’s name.'),
    value: field(text(8_192), 'Its value.').optional(),
    valueFrom: field(
      z.object({
        secretKeyRef: field(keyOf('Secret'), 'A key of a Secret in the cache’s namespace.').optional(),
        configMapKeyRef: field(keyOf('ConfigMap'), 'A key of a ConfigMap in the cache’s namespace.').optional(),
        fieldRef: field(
          z.object({ fieldPath: field(nonEmptyText(256), 'The field of the pod, such as status.hostIP.') }),
          'A field of the pod.',
        ).optional(),
      }),
      'Where its value comes from, instead of `value`.',
    ).optional(),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!(has(self.value) && has(self.valueFrom))',
        message: 'a variable of extraEnv has either value or valueFrom, not both',
      },
      {
        rule: '!has(self.valueFrom) || (has(self.valueFrom.secretKeyRef) ? 1 : 0) + (has(self.valueFrom.configMapKeyRef) ? 1 : 0) + (has(self.valueFrom.fieldRef) ? 1 : 0) == 1',
        message: 'valueFrom of extraEnv must have exactly one of secretKeyRef, configMapKeyRef and fieldRef',
      },
    ],
  });

export type Resources = z.output<typeof resources>;
export type Scheduling = z.output<typeof scheduling>;
export type EnvironmentVariable = z.output<typeof environmentVariable>;
export type SecretKey = z.output<ReturnType<typeof secretKeyOr>>;
