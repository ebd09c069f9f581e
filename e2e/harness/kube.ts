/**
 * The Kubernetes API for scenarios: typed enough to read well, on connections that are kept.
 *
 * It does not use the operator's own client, so that a fault of that one cannot hide itself, and not kubectl for every
 * look, because a process a look would be most of the load on a small machine. What people do with kubectl, scenarios do
 * with kubectl too (`kubectl` below).
 */
import { KubeConfig } from '@kubernetes/client-node';
import { once } from 'node:events';
import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { KubeObject, Manifest } from './objects.ts';
import { type Outcome, outcomeOf, run, type RunOptions } from './process.ts';

/** Where the API server has each kind. */
const kinds = {
  Namespace: ['api/v1', 'namespaces'],
  Node: ['api/v1', 'nodes'],
  Pod: ['api/v1', 'pods'],
  Service: ['api/v1', 'services'],
  Endpoints: ['api/v1', 'endpoints'],
  ConfigMap: ['api/v1', 'configmaps'],
  Secret: ['api/v1', 'secrets'],
  ServiceAccount: ['api/v1', 'serviceaccounts'],
  PersistentVolumeClaim: ['api/v1', 'persistentvolumeclaims'],
  PersistentVolume: ['api/v1', 'persistentvolumes'],
  StatefulSet: ['apis/apps/v1', 'statefulsets'],
  Deployment: ['apis/apps/v1', 'deployments'],
  ReplicaSet: ['apis/apps/v1', 'replicasets'],
  Job: ['apis/batch/v1', 'jobs'],
  PodDisruptionBudget: ['apis/policy/v1', 'poddisruptionbudgets'],
  NetworkPolicy: ['apis/networking.k8s.io/v1', 'networkpolicies'],
  HorizontalPodAutoscaler: ['apis/autoscaling/v2', 'horizontalpodautoscalers'],
  EndpointSlice: ['apis/discovery.k8s.io/v1', 'endpointslices'],
  Event: ['apis/events.k8s.io/v1', 'events'],
  Lease: ['apis/coordination.k8s.io/v1', 'leases'],
  Role: ['apis/rbac.authorization.k8s.io/v1', 'roles'],
  RoleBinding: ['apis/rbac.authorization.k8s.io/v1', 'rolebindings'],
  ClusterRole: ['apis/rbac.authorization.k8s.io/v1', 'clusterroles'],
  ClusterRoleBinding: ['apis/rbac.authorization.k8s.io/v1', 'clusterrolebindings'],
  StorageClass: ['apis/storage.k8s.io/v1', 'storageclasses'],
  PriorityClass: ['apis/scheduling.k8s.io/v1', 'priorityclasses'],
  APIService: ['apis/apiregistration.k8s.io/v1', 'apiservices'],
  CustomResourceDefinition: ['apis/apiextensions.k8s.io/v1', 'customresourcedefinitions'],
  ServiceMonitor: ['apis/monitoring.coreos.com/v1', 'servicemonitors'],
  KVCache: ['apis/kvcache.dev/v1alpha1', 'kvcaches'],
} as const;

export type Kind = keyof typeof kinds;

export interface Selector {
  readonly labels?: string;
  readonly fields?: string;
}

export interface DryRun {
  readonly dryRun?: boolean;
}

export class KubeError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type PatchType = 'merge' | 'json' | 'strategic';

const patchContent: Record<PatchType, string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const requestTimeoutMs = 30_000;
const replaceAttemptsMax = 20;
const connectionsMax = 8;
export const fieldManager = 'kvcache-e2e';

export class Kube {
  readonly context: string;
  readonly #server: URL;
  readonly #options: RequestOptions;

  private constructor(context: string, server: URL, options: RequestOptions) {
    this.context = context;
    this.#server = server;
    this.#options = options;
  }

  /** The cluster behind a context of the kubeconfig that kubectl uses. */
  static async of(context: string): Promise<Kube> {
    const config = new KubeConfig();
    config.loadFromDefault();
    config.setCurrentContext(context);
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error(`the kubeconfig has no context ${context}`);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, headers } = options;
    const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, ca, cert, key, rejectUnauthorized });
    return new Kube(context, new URL(cluster.server), { agent, headers });
  }

  async find<Found extends KubeObject>(kind: Kind, name: string, namespace?: string): Promise<Found | undefined> {
    try {
      return await this.#json<Found>('GET', pathOf(kind, namespace, name));
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  async get<Found extends KubeObject>(kind: Kind, name: string, namespace?: string): Promise<Found> {
    return this.#json<Found>('GET', pathOf(kind, namespace, name));
  }

  async list<Found extends KubeObject>(kind: Kind, namespace?: string, selector: Selector = {}): Promise<Found[]> {
    const query = queryOf({ labelSelector: selector.labels, fieldSelector: selector.fields });
    const { items } = await this.#json<{ items: Found[] }>('GET', `${pathOf(kind, namespace)}${query}`);
    // A list leaves its items' kind out.
    for (const item of items) item.kind = kind;
    return items;
  }

  /** Server-side apply, as `kubectl apply --server-side --force-conflicts` does it. */
  async apply<Applied extends KubeObject>(manifest: Manifest, options: DryRun = {}): Promise<Applied> {
    const query = queryOf({ fieldManager, force: 'true', dryRun: options.dryRun ? 'All' : undefined });
    const path = pathOf(kindOf(manifest), manifest.metadata.namespace, manifest.metadata.name);
    return this.#json('PATCH', `${path}${query}`, manifest, 'application/apply-patch+yaml');
  }

  /** Creates it, with unknown fields refused, as kubectl does. */
  async create<Created extends KubeObject>(manifest: Manifest, options: DryRun = {}): Promise<Created> {
    const query = queryOf({ fieldValidation: 'Strict', dryRun: options.dryRun ? 'All' : undefined });
    return this.#json('POST', `${pathOf(kindOf(manifest), manifest.metadata.namespace)}${query}`, manifest);
  }

  /** Puts it in the place of what is there, whatever happened to that meanwhile. */
  async replace<Replaced extends KubeObject>(manifest: Manifest, options: DryRun = {}): Promise<Replaced> {
    const { name, namespace } = manifest.metadata;
    const path = pathOf(kindOf(manifest), namespace, name);
    const query = queryOf({ fieldValidation: 'Strict', dryRun: options.dryRun ? 'All' : undefined });
    for (let attempt = 1; ; attempt++) {
      const { resourceVersion } = (await this.#json<KubeObject>('GET', path)).metadata;
      const replacement = { ...manifest, metadata: { ...manifest.metadata, resourceVersion } };
      try {
        return await this.#json<Replaced>('PUT', `${path}${query}`, replacement);
      } catch (error) {
        // Somebody wrote between the two, such as the operator its status.
        if (!(error instanceof KubeError && error.status === 409) || attempt === replaceAttemptsMax) throw error;
      }
    }
  }

  async patch<Patched extends KubeObject>(
    kind: Kind,
    name: string,
    namespace: string | undefined,
    patch: unknown,
    options: { readonly type?: PatchType; readonly subresource?: string } = {},
  ): Promise<Patched> {
    const { type = 'merge', subresource } = options;
    const path = pathOf(kind, namespace, name) + (subresource ? `/${subresource}` : '');
    return this.#json('PATCH', `${path}${queryOf({ fieldManager })}`, patch, patchContent[type]);
  }

  /** Nothing happens where it is gone already. */
  async delete(
    kind: Kind,
    name: string,
    namespace?: string,
    options: { readonly graceSeconds?: number; readonly propagation?: 'Orphan' | 'Background' | 'Foreground' } = {},
  ): Promise<void> {
    const query = queryOf({
      gracePeriodSeconds: options.graceSeconds?.toString(),
      propagationPolicy: options.propagation,
    });
    try {
      await this.#json('DELETE', `${pathOf(kind, namespace, name)}${query}`);
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }

  /** A port of a pod through the API server: `/report` of the load's port, say. The answer's body. */
  async throughPod(namespace: string, pod: string, port: number, path: string, body?: unknown): Promise<string> {
    const proxied = `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy${path}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    return this.request(text === undefined ? 'GET' : 'POST', proxied, text, 'application/json', 600_000);
  }

  /** Calls back with every state of the objects, from now on, until the signal; lost watches are begun again. */
  watch(
    kind: Kind,
    namespace: string,
    selector: Selector,
    signal: AbortSignal,
    onState: (object: KubeObject, type: string) => void,
  ): void {
    const query = queryOf({ watch: '1', labelSelector: selector.labels, fieldSelector: selector.fields });
    const path = `${pathOf(kind, namespace)}${query}`;
    const go = (): void => {
      if (signal.aborted) return;
      const call = request(this.#requestOptions('GET', path, { signal, agent: this.#options.agent }));
      call.once('response', (response: IncomingMessage) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop()!;
          for (const line of lines) {
            const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
            if (type !== 'ERROR' && type !== 'BOOKMARK') onState(object, type);
          }
        });
        response.once('close', () => setTimeout(go, 200));
      });
      call.once('error', () => setTimeout(go, 500));
      call.end();
    };
    go();
  }

  /** kubectl on this cluster; rejects with its words where it fails. */
  async kubectl(args: readonly string[], options?: RunOptions): Promise<string> {
    return run('kubectl', ['--context', this.context, ...args], options);
  }

  /** The same for what may fail. */
  async kubectlOutcome(args: readonly string[], options?: RunOptions): Promise<Outcome> {
    return outcomeOf('kubectl', ['--context', this.context, ...args], options);
  }

  /** Any request; the body of its answer. Rejects with KubeError where the status is not one of success. */
  async request(
    method: string,
    path: string,
    body?: string,
    contentType = 'application/json',
    timeoutMs = requestTimeoutMs,
  ): Promise<string> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = contentType;
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request(this.#requestOptions(method, path, { headers, signal, agent: this.#options.agent }));
    call.end(body);
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw new KubeError(status, `${method} ${path}: ${status} ${messageIn(text)}`);
    return text;
  }

  async #json<Answer>(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return JSON.parse(await this.request(method, path, text, contentType)) as Answer;
  }

  #requestOptions(method: string, path: string, more: RequestOptions): RequestOptions {
    const { hostname, port, pathname } = this.#server;
    const base = pathname === '/' ? '' : pathname;
    const headers = Object.assign({}, this.#options.headers, more.headers) as Record<string, string>;
    return { ...more, method, host: hostname, port: port || 443, path: `${base}${path}`, headers };
  }
}

function pathOf(kind: Kind, namespace?: string, name?: string): string {
  const [group, plural] = kinds[kind];
  return ['', group, ...(namespace ? ['namespaces', namespace] : []), plural, ...(name ? [name] : [])].join('/');
}

function kindOf({ kind }: Manifest): Kind {
  if (!(kind in kinds)) throw new Error(`harness/kube.ts does not know where ${kind} objects are`);
  return kind as Kind;
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

/** The `message` of a Status object, else the text itself. */
function messageIn(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}
