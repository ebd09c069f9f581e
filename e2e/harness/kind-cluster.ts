/**
 * The kind cluster: a control plane and two workers, because evictions and lost nodes need two and a third node costs
 * seconds. Faults of nodes are faults of their containers (`docker kill`, `docker pause`, iptables inside).
 */
import { outcomeOf, run } from './process.ts';

/**
 * Two figures differ from a cluster's defaults, so that minutes of waiting become seconds: how often an autoscaler looks,
 * and how soon a silent node counts as lost.
 */
const configuration = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - role: worker
  - role: worker
kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    controllerManager:
      extraArgs:
        horizontal-pod-autoscaler-sync-period: 5s
        node-monitor-grace-period: 20s
`;

const createTimeoutMs = 600_000;

export async function kindClusters(): Promise<string[]> {
  return (await run('kind', ['get', 'clusters'])).split('\n').filter((name) => name !== '');
}

export async function createKindCluster(name: string, nodeImage: string | undefined): Promise<void> {
  const image = nodeImage ? ['--image', nodeImage] : [];
  const args = ['create', 'cluster', '--name', name, '--config', '-', '--wait', '180s', ...image];
  await run('kind', args, { input: configuration, timeoutMs: createTimeoutMs });
}

export async function deleteKindCluster(name: string): Promise<void> {
  await run('kind', ['delete', 'cluster', '--name', name]);
}

/** The containers that are the cluster's nodes; a node's name is its container's. */
export async function kindNodes(name: string): Promise<string[]> {
  return (await run('kind', ['get', 'nodes', '--name', name])).split('\n').filter((node) => node !== '');
}

/** Loads images that the Docker engine has into the nodes that do not have them; layers that they share travel once. */
export async function loadImages(cluster: string, images: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const node of await kindNodes(cluster)) if (!(await hasImages(node, images))) missing.push(node);
  if (missing.length === 0) return;
  const args = ['load', 'docker-image', ...images, '--name', cluster, '--nodes', missing.join(',')];
  await run('kind', args, { timeoutMs: createTimeoutMs });
}

async function hasImages(node: string, images: readonly string[]): Promise<boolean> {
  const { out } = await outcomeOf('docker', ['exec', node, 'ctr', '-n', 'k8s.io', 'images', 'ls', '-q']);
  const there = new Set(out.split('\n'));
  return images.every((image) => there.has(`docker.io/library/${image}`));
}
