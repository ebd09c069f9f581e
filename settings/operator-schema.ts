/** Settings of the operator: where it runs, what it watches, how one of its replicas leads. */
import { optional, type ProcessRole, setting } from './setting.ts';
import { boolean, path, text } from './types.ts';

const operator: readonly ProcessRole[] = ['operator'];

const objectName = (): ReturnType<typeof text> =>
  text('name', 'the name of a Kubernetes object', /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/);

export const operatorSettings = {
  'operator.image': optional(
    text('image', 'a container image such as registry.example/kvcache:0.1.0', /^\S{1,512}$/),
    operator,
    'The image of shards and routers whose KVCache names none: that of the operator itself.',
  ),
  'operator.watch_namespaces': optional(
    text(
      'namespaces',
      'names of namespaces with commas between them',
      /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(,[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    ),
    operator,
    'The namespaces whose KVCaches the operator looks after; all of them without it.',
  ),
  'operator.namespace': optional(
    objectName(),
    operator,
    'The namespace that the operator runs in, where its lease is. Without it: that of its service account or kubeconfig.',
  ),
  'operator.pod': optional(
    objectName(),
    operator,
    'What this operator calls itself in its lease and in Events. Without it: the host’s name.',
  ),
  'operator.leader_election': setting(
    boolean(),
    true,
    operator,
    'Whether one replica leads by a Lease. Without it there must never be two operators for one namespace.',
  ),
  'operator.lease': setting(objectName(), 'kvcache-operator', operator, 'The name of that Lease.'),
  'operator.kubeconfig': optional(
    path(),
    operator,
    'A kubeconfig file. Without it: the pod’s service account, else what kubectl would use.',
  ),
  'operator.context': optional(text('context', 'the name of a context'), operator, 'The context of the kubeconfig.'),
} as const;
