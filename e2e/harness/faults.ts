/**
 * Harm, from outside the cluster's own means: signals to the process of a container (from its node, for a process that
 * is number 1 in its own pod ignores its neighbours' SIGKILL), and nodes that die, hang or lose their network. Nodes are
 * containers of kind; elsewhere these faults cannot be made.
 */
import type { Kube } from './kube.ts';
import type { Pod } from './objects.ts';
import { run } from './process.ts';

/** Sends a signal to the first process of a pod's only container. */
export async function signalPod(kube: Kube, namespace: string, name: string, signal: NodeJS.Signals): Promise<void> {
  const pod = await kube.get<Pod>('Pod', name, namespace);
  const containerId = pod.status.containerStatuses?.[0]?.containerID?.replace(/^containerd:\/\//u, '');
  const node = pod.spec.nodeName;
  if (containerId === undefined || node === undefined) throw new Error(`pod ${name} has no running container`);
  await onNode(node, ['ctr', '-n', 'k8s.io', 'tasks', 'kill', '-s', signal, containerId]);
}

/** Runs a command on a node; what it printed. */
export async function onNode(node: string, command: readonly string[]): Promise<string> {
  return run('docker', ['exec', node, ...command]);
}

/** The machine is off. Its pods do not end: nobody is there to tell that they have. */
export async function killNode(node: string): Promise<void> {
  await run('docker', ['kill', node]);
}

export async function startNode(node: string): Promise<void> {
  await run('docker', ['start', node]);
}

/** Every process of the node stands still, with its connections open. */
export async function pauseNode(node: string): Promise<void> {
  await run('docker', ['pause', node]);
}

export async function resumeNode(node: string): Promise<void> {
  await run('docker', ['unpause', node]);
}

/**
 * SIGKILL and a new pod in place of the old one: its container would wait longer before each further start (the
 * kubelet's back-off), and soon a test of kills would be a test of that. A pod whose process has not begun has none to
 * kill.
 */
export async function killPod(kube: Kube, namespace: string, name: string): Promise<void> {
  const { status } = await kube.get<Pod>('Pod', name, namespace);
  if (status.containerStatuses?.[0]?.containerID !== undefined) await signalPod(kube, namespace, name, 'SIGKILL');
  await kube.delete('Pod', name, namespace, { graceSeconds: 0 });
}
