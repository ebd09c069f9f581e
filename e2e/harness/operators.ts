/** What the operator's pods tell of themselves, and which of them leads. */
import { operatorNamespace } from './environment.ts';
import type { Kube } from './kube.ts';
import type { KubeObject, Pod } from './objects.ts';
import { operatorPods } from './chart.ts';
import { eventually, notYet } from './wait.ts';

interface Lease extends KubeObject {
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
}

const httpPort = 8_080;

/** The record of who leads. */
export async function leaderRecord(kube: Kube): Promise<Lease['spec']> {
  const [only, ...others] = await kube.list<Lease>('Lease', operatorNamespace);
  if (only === undefined || others.length > 0)
    throw new Error(`there are ${others.length + Number(!!only)} Leases, not 1`);
  return only.spec;
}

/** The pod that leads, other than `not` where that is given; waits until there is one. */
export async function leadingOperator(kube: Kube, not?: Pod): Promise<Pod> {
  return eventually('an operator leads', async () => {
    const { holderIdentity = '' } = await leaderRecord(kube);
    const pods = await operatorPods(kube);
    const leader = pods.find(({ metadata }) => holderIdentity.startsWith(metadata.name));
    const isIt = leader !== undefined && leader.metadata.name !== not?.metadata.name;
    return isIt ? leader : notYet(holderIdentity);
  });
}

/** Prometheus' samples of an operator, by name with labels. */
export async function operatorMetrics(kube: Kube, pod: Pod): Promise<ReadonlyMap<string, number>> {
  const text = await kube.throughPod(operatorNamespace, pod.metadata.name, httpPort, '/metrics');
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (!line.startsWith('#') && space > 0) samples.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return samples;
}

/** The sum over all labels of a metric, or over those that `fits` takes. */
export function sumOf(
  samples: ReadonlyMap<string, number>,
  metric: string,
  fits: (labels: string) => boolean = () => true,
): number {
  let sum = 0;
  for (const [name, value] of samples) {
    if (name === metric || (name.startsWith(`${metric}{`) && fits(name))) sum += value;
  }
  return sum;
}

/** Attempts at writes other than renewals of the lease, which are the only replacements. */
export function writesIn(samples: ReadonlyMap<string, number>): number {
  const isWrite = (labels: string): boolean => /method="(?:POST|PATCH|DELETE)"/u.test(labels);
  return sumOf(samples, 'kvcache_operator_api_requests_total', isWrite);
}

/** How the process of an operator's pod ended the last time; undefined if it never did. */
export async function lastExitCode(kube: Kube, name: string): Promise<number | undefined> {
  const pod = await kube.get<Pod>('Pod', name, operatorNamespace);
  return pod.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode;
}
