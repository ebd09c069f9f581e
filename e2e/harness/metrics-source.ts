/**
 * Sets up pods/metrics-source.ts as the cluster's `metrics.k8s.io`, for as long as a scenario needs it.
 *
 * It is registered last, when its Service is known to lead to it. An API server dials what is registered at once and
 * keeps the connection, and a Service's address that kube-proxy has no rule for yet leads out of the cluster: where a
 * network answers for any address, a stranger would answer for metrics from then on.
 */
import { TestAuthority } from '../../testing/certificates.ts';
import { controlPlaneOf } from './control-plane.ts';
import type { E2eEnvironment } from './environment.ts';
import { onNode } from './faults.ts';
import type { Kube } from './kube.ts';
import type { KubeObject, Manifest, Pod } from './objects.ts';
import { isReady } from './objects.ts';
import { restrictedContainer, restrictedPod } from './pod-parts.ts';
import { eventually, notYet } from './wait.ts';

const name = 'metrics-source';
const apiServiceName = 'v1beta1.metrics.k8s.io';
const apiPath = '/apis/metrics.k8s.io/v1beta1';
const tlsPort = 8_443;
const plainPort = 9_000;

export class MetricsSource {
  readonly #kube: Kube;
  readonly #namespace: string;

  private constructor(kube: Kube, namespace: string) {
    this.#kube = kube;
    this.#namespace = namespace;
  }

  /** Resolves when the API server serves metrics. Rejects where the cluster has a metrics server of its own. */
  static async start(kube: Kube, environment: E2eEnvironment, namespace: string): Promise<MetricsSource> {
    if (await kube.find('APIService', apiServiceName)) {
      throw new Error('the cluster has a metrics server: this scenario would have to take its place');
    }
    const source = new MetricsSource(kube, namespace);
    for (const manifest of manifestsOf(environment.images.tools, namespace)) await kube.apply(manifest);
    await source.#untilReached(environment.kindCluster);
    try {
      await kube.apply(apiService(namespace));
      await source.#untilServed();
    } catch (error) {
      // An API that is registered and not served keeps every namespace from being deleted.
      await source.stop();
      throw error;
    }
    return source;
  }

  /** Resolves when the source is ready and, where that can be seen, the API server's own node reaches it. */
  async #untilReached(kindCluster: string | undefined): Promise<void> {
    const namespace = this.#namespace;
    await eventually('the metrics source is ready', async () => {
      const pod = await this.#kube.get<Pod>('Pod', name, namespace);
      return isReady(pod) || notYet(pod.status);
    });
    if (kindCluster === undefined) return;
    const node = await controlPlaneOf(kindCluster);
    const { spec } = await this.#kube.get<KubeObject & { spec: { clusterIP: string } }>('Service', name, namespace);
    await eventually('the Service of the metrics source leads to it', async () => {
      const answer = await onNode(node, ['curl', '-sk', '-m', '5', `https://${spec.clusterIP}${apiPath}`]);
      return answer.includes('APIResourceList') || notYet(answer);
    });
  }

  async #untilServed(): Promise<void> {
    await eventually('the API server serves metrics', async () => {
      await this.#kube.request('GET', `${apiPath}/namespaces/${this.#namespace}/pods`);
      return true;
    });
  }

  /** From now on every container uses so much. */
  async use(millicores: number): Promise<void> {
    await this.#kube.throughPod(this.#namespace, name, plainPort, '/usage', { millicores });
  }

  /** What is not in the scenario's namespace goes by hand. */
  async stop(): Promise<void> {
    await this.#kube.delete('APIService', apiServiceName);
  }
}

function manifestsOf(image: string, namespace: string): Manifest[] {
  const metadata = { name, namespace };
  const labels = { app: name };
  const host = `${name}.${namespace}.svc`;
  const { cert, key } = new TestAuthority().issue(host, { names: [host] });
  const rbac = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { 'tls.crt': cert, 'tls.key': key } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ port: 443, targetPort: tlsPort }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, labels },
      spec: {
        ...restrictedPod,
        automountServiceAccountToken: true,
        serviceAccountName: name,
        containers: [
          {
            ...restrictedContainer,
            name,
            image,
            args: ['/opt/kvcache/e2e/pods/metrics-source.ts'],
            readinessProbe: { tcpSocket: { port: tlsPort }, periodSeconds: 1 },
            volumeMounts: [...restrictedContainer.volumeMounts, { name: 'tls', mountPath: '/tls', readOnly: true }],
          },
        ],
        volumes: [...restrictedPod.volumes, { name: 'tls', secret: { secretName: name } }],
      },
    },
  ];
}

function apiService(namespace: string): Manifest {
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: apiServiceName },
    spec: {
      group: 'metrics.k8s.io',
      version: 'v1beta1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { name, namespace },
    },
  };
}
