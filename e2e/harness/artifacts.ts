/**
 * What is kept of a scenario that failed: everything that a person would ask the cluster for, before it is gone. A part
 * that cannot be had leaves its reason in its file.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { operatorNamespace } from './environment.ts';
import type { Kube } from './kube.ts';
import type { Pod } from './objects.ts';
import { restarts } from './objects.ts';

const objectKinds = [
  'kvcaches.kvcache.dev,statefulsets,deployments,replicasets,pods,services,endpointslices,configmaps',
  'serviceaccounts,poddisruptionbudgets,networkpolicies,persistentvolumeclaims,horizontalpodautoscalers,jobs,leases',
].join(',');
/** What one log may weigh. */
const logLines = 20_000;

/** Saves everything of the namespace, and of the operator, in `folder`. */
export async function saveArtifacts(kube: Kube, namespace: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const save = async (file: string, args: readonly string[]): Promise<void> => {
    const { out, err } = await kube.kubectlOutcome(args, { timeoutMs: 60_000 });
    await writeFile(join(folder, file), err === '' ? out : `${out}\n${err}`);
  };
  await save('events.txt', ['events', '-n', namespace]);
  await save('objects.yaml', ['get', objectKinds, '-n', namespace, '-o', 'yaml']);
  await save('kvcaches.txt', ['describe', 'kvcaches', '-n', namespace]);
  await save('pods.txt', ['get', 'pods', '-A', '-o', 'wide']);
  await save('nodes.txt', ['describe', 'nodes']);
  // Names only: what a Secret holds belongs in no report.
  await save('secrets.txt', ['get', 'secrets', '-n', namespace]);
  await save('volumes.txt', ['get', 'persistentvolumes,persistentvolumeclaims', '-A', '-o', 'wide']);
  await save('operator-events.txt', ['events', '-n', operatorNamespace]);
  for (const from of [namespace, operatorNamespace]) {
    for (const pod of await podsOf(kube, from)) {
      const { name } = pod.metadata;
      const logs = ['logs', name, '-n', from, '--all-containers', '--timestamps', `--tail=${logLines}`];
      await save(`${name}.log`, logs);
      if (restarts(pod) > 0) await save(`${name}.previous.log`, [...logs, '--previous']);
    }
  }
}

async function podsOf(kube: Kube, namespace: string): Promise<Pod[]> {
  try {
    return await kube.list<Pod>('Pod', namespace);
  } catch {
    // The API server is away, and every file says so already.
    return [];
  }
}
