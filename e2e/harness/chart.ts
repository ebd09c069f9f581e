/** The chart, installed as people install it. */
import { operatorNamespace, releaseName } from './environment.ts';
import { chartFolder, type Images } from './images.ts';
import { killPod } from './faults.ts';
import type { Kube } from './kube.ts';
import type { Pod, Workload } from './objects.ts';
import { isReady } from './objects.ts';
import { run } from './process.ts';
import { eventually, notYet } from './wait.ts';

const helmTimeoutMs = 300_000;

export async function helm(kube: Kube, args: readonly string[]): Promise<string> {
  return run('helm', ['--kube-context', kube.context, ...args], { timeoutMs: helmTimeoutMs });
}

/** Values that every installation of the suite has: the image that was built, and little of the machine. */
export function chartValues({ product }: Images): string[] {
  const [repository, tag] = splitReference(product);
  return ['--set', `image.repository=${repository}`, '--set-string', `image.tag=${tag}`];
}

export async function installChart(kube: Kube, images: Images, more: readonly string[] = []): Promise<void> {
  const where = ['--namespace', operatorNamespace, '--create-namespace'];
  await helm(kube, [
    'upgrade',
    '--install',
    releaseName,
    chartFolder,
    ...where,
    ...chartValues(images),
    ...more,
    '--wait',
  ]);
}

/** The operator's Deployment; there is one in its namespace. */
export async function operatorDeployment(kube: Kube): Promise<Workload> {
  const found = await kube.list<Workload>('Deployment', operatorNamespace);
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) {
    throw new Error(`${operatorNamespace} has ${found.length} Deployments; it should have the operator's`);
  }
  return only;
}

export async function operatorPods(kube: Kube): Promise<Pod[]> {
  const labels = 'app.kubernetes.io/component=operator';
  return kube.list<Pod>('Pod', operatorNamespace, { labels });
}

/** Resolves when so many operators are ready and no other pods of them are left. */
export async function untilOperators(kube: Kube, count: number): Promise<Pod[]> {
  return eventually(`${count} operators are ready`, async () => {
    const pods = await operatorPods(kube);
    const ready = pods.filter(isReady);
    return ready.length === count && pods.length === count ? ready : notYet(pods.map(({ metadata }) => metadata.name));
  });
}

function splitReference(reference: string): [repository: string, tag: string] {
  const colon = reference.lastIndexOf(':');
  return [reference.slice(0, colon), reference.slice(colon + 1)];
}

/** SIGKILL of every operator; the lease goes with them, as it would by itself after its fifteen seconds. */
export async function killOperators(kube: Kube): Promise<void> {
  for (const { metadata } of await operatorPods(kube)) await killPod(kube, operatorNamespace, metadata.name);
  for (const { metadata } of await kube.list('Lease', operatorNamespace)) {
    await kube.delete('Lease', metadata.name, operatorNamespace);
  }
}
