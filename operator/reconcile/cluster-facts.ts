/**
 * What has to be asked about the cluster itself, and only now and then: nodes, storage classes, namespaces.
 *
 * They are read one by one when a decision needs them, and kept for a moment, rather than watched: a large cluster has
 * thousands of nodes whose status changes every few seconds. Without the permission, as where the operator has Roles in
 * some namespaces only, the answer is that nobody knows.
 */
import { clusterFactsAgeMs } from '../../limits.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { namespaces, nodes, type Resource, storageClasses, type Stored } from '../kube/resources.ts';
import type { NodeState } from './node-loss.ts';
import { Recent } from './recent.ts';

export class ClusterFacts {
  readonly #client: KubeClient;
  readonly #nodes = new Recent<NodeState>(clusterFactsAgeMs);
  readonly #classes = new Recent<boolean | undefined>(clusterFactsAgeMs);
  readonly #namespaces = new Recent<boolean>(clusterFactsAgeMs);

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** `lost`: there is no such node, or its kubelet has not been heard of for so long that Kubernetes calls it unknown. */
  nodeState(name: string): Promise<NodeState> {
    return this.#nodes.get(name, async () => {
      const found = await this.#read(nodes, { name });
      if (found === 'forbidden') return 'unknown';
      const ready = found?.status?.conditions?.find(({ type }) => type === 'Ready');
      return found === undefined || ready?.status === 'Unknown' ? 'lost' : 'ready';
    });
  }

  /** Whether the volumes of a storage class may grow. */
  canGrow(storageClass: string): Promise<boolean | undefined> {
    return this.#classes.get(storageClass, async () => {
      const found = await this.#read(storageClasses, { name: storageClass });
      return found === 'forbidden' ? undefined : found?.allowVolumeExpansion === true;
    });
  }

  isNamespaceTerminating(name: string): Promise<boolean> {
    return this.#namespaces.get(name, async () => {
      const found = await this.#read(namespaces, { name });
      return found !== 'forbidden' && found?.metadata.deletionTimestamp !== undefined;
    });
  }

  async #read<T extends object>(
    resource: Resource<T>,
    key: { readonly name: string },
  ): Promise<Stored<T> | undefined | 'forbidden'> {
    try {
      return await this.#client.get(resource, key);
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'Forbidden') return 'forbidden';
      throw error;
    }
  }
}
