/** Faults of kind's control plane: an API server that is down, that has forgotten history, that one pod cannot reach. */
import { kindNodes } from './kind-cluster.ts';
import { onNode, signalPod } from './faults.ts';
import type { Kube } from './kube.ts';
import type { Pod } from './objects.ts';
import { eventually } from './wait.ts';

const manifest = '/etc/kubernetes/manifests/kube-apiserver.yaml';
const putAside = '/etc/kubernetes/kube-apiserver.yaml';
const comesBack = { timeoutMs: 180_000 };

export async function controlPlaneOf(kindCluster: string): Promise<string> {
  const node = (await kindNodes(kindCluster)).find((name) => name.endsWith('control-plane'));
  if (node === undefined) throw new Error(`kind cluster ${kindCluster} has no node named …control-plane`);
  return node;
}

/** The kubelet ends the API server and does not start it again: connections to it are refused. */
export async function stopApiServer(kube: Kube, controlPlane: string): Promise<void> {
  await onNode(controlPlane, ['mv', manifest, putAside]);
  await eventually('the API server is away', () => answers(kube).then((does) => !does), comesBack);
}

/** Nothing happens where it is not away. */
export async function startApiServer(kube: Kube, controlPlane: string): Promise<void> {
  await onNode(controlPlane, ['sh', '-c', `if [ -e ${putAside} ]; then mv ${putAside} ${manifest}; fi`]);
  await eventually('the API server is back', () => answers(kube), comesBack);
}

/** SIGKILL; the kubelet starts it again. It comes back without the changes that it remembered for watches. */
export async function restartApiServer(kube: Kube, controlPlane: string): Promise<void> {
  await signalPod(kube, 'kube-system', `kube-apiserver-${controlPlane}`, 'SIGKILL');
  await eventually('the API server is back', () => answers(kube), comesBack);
}

async function answers(kube: Kube): Promise<boolean> {
  try {
    return (await kube.request('GET', '/readyz', undefined, undefined, 5_000)) === 'ok';
  } catch {
    // Refused, swallowed, or not ready: it does not answer.
    return false;
  }
}

/** etcd forgets every version but the last. */
export async function compactHistory(controlPlane: string): Promise<void> {
  const pki = '/etc/kubernetes/pki/etcd';
  const curl = [
    'curl',
    '-sSf',
    '--cacert',
    `${pki}/ca.crt`,
    '--cert',
    `${pki}/server.crt`,
    '--key',
    `${pki}/server.key`,
  ];
  const post = async (path: string, body: object): Promise<unknown> => {
    const url = `https://127.0.0.1:2379/v3/kv/${path}`;
    return JSON.parse(await onNode(controlPlane, [...curl, '-X', 'POST', url, '-d', JSON.stringify(body)]));
  };
  const { header } = (await post('range', { key: 'AA==' })) as { header: { revision: string } };
  await post('compaction', { revision: header.revision, physical: true });
}

/** Drops what a pod sends to the API server, without a word; nobody else notices. */
export async function cutFromApiServer(pod: Pod): Promise<void> {
  await eachChain(pod, '-I');
}

export async function endCut(pod: Pod): Promise<void> {
  await eachChain(pod, '-D');
}

/** From another node it is forwarded, on the control plane itself it is input. */
async function eachChain({ spec, status }: Pod, action: '-I' | '-D'): Promise<void> {
  const packets = ['-s', status.podIP!, '-p', 'tcp', '--dport', '6443', '-j', 'DROP'];
  for (const chain of ['FORWARD', 'INPUT']) await onNode(spec.nodeName!, ['iptables', action, chain, ...packets]);
}
