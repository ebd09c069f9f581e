/**
 * A pod that runs the SDK inside the cluster, as an application would: through the cache's Service, so that what clients
 * see of kills, drains and rollouts is seen. Its program is pods/client.ts, spoken to over HTTP through the API server.
 */
import type { ClientOptions } from '../../client/options.ts';
import type { Acknowledgement } from '../../commands/command.ts';
import type { HttpAttempt, LinkAttempt, Port } from '../pods/attempts.ts';
import { azuriteSecret } from './azurite.ts';
import type { Cache } from './cache.ts';
import type { Kube } from './kube.ts';
import { isReady, type Pod } from './objects.ts';
import { restrictedContainer, restrictedPod, preferControlPlane } from './pod-parts.ts';
import { eventually, notYet } from './wait.ts';

export interface ClientPodOptions {
  readonly name?: string;
  /** Other than the cache's Service. */
  readonly server?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  /** Secrets mounted under /secrets/NAME. */
  readonly secrets?: readonly string[];
  readonly nodeName?: string;
}

export interface LoadOptions {
  /** Default: disk, which outlives the process. */
  readonly levels?: readonly Acknowledgement[];
  /** Attempts of a call; 1 shows every fault. Default: the SDK's. */
  readonly attempts?: number;
  readonly timeoutMs?: number;
  readonly pauseMs?: number;
}

export interface LoadReport {
  /** Operations that went well, and those that did not, by code. */
  readonly done: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Faults among all operations. */
  readonly errorRate: number;
  /** The longest time in which no operation went well. */
  readonly longestOutageMs: number;
  /** Writes that were acknowledged. */
  readonly acknowledged: number;
  /** What readers should not have seen. */
  readonly violations: readonly string[];
}

const port = 9_000;
/** Where there is an Azurite beside it. */
const azuriteVariable = {
  name: 'AZURITE_CONNECTION_STRING',
  valueFrom: { secretKeyRef: { name: azuriteSecret, key: 'connectionString', optional: true } },
};

export class ClientPod {
  readonly #kube: Kube;
  readonly namespace: string;
  readonly name: string;

  private constructor(kube: Kube, namespace: string, name: string) {
    this.#kube = kube;
    this.namespace = namespace;
    this.name = name;
  }

  static async start(kube: Kube, image: string, cache: Cache, options: ClientPodOptions = {}): Promise<ClientPod> {
    const { name = 'client', server = cache.server, env = [], secrets = [], nodeName } = options;
    const { namespace } = cache;
    const volumes = secrets.map((secret) => ({ name: secret, secret: { secretName: secret } }));
    await kube.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: 'kvcache-e2e-client' } },
      spec: {
        ...restrictedPod,
        ...preferControlPlane,
        ...(nodeName && { nodeName }),
        containers: [
          {
            ...restrictedContainer,
            name: 'client',
            image,
            args: ['/opt/kvcache/e2e/pods/client.ts'],
            env: [{ name: 'KVSTORE_GRPC_SERVER', value: server }, azuriteVariable, ...env],
            ports: [{ containerPort: port }],
            readinessProbe: { httpGet: { path: '/health', port }, periodSeconds: 1 },
            volumeMounts: [
              ...restrictedContainer.volumeMounts,
              ...secrets.map((secret) => ({ name: secret, mountPath: `/secrets/${secret}`, readOnly: true })),
            ],
          },
        ],
        volumes: [...restrictedPod.volumes, ...volumes],
      },
    });
    await eventually(`pod ${name} is ready`, async () => {
      const pod = await kube.get<Pod>('Pod', name, namespace);
      return isReady(pod) || notYet(pod.status);
    });
    return new ClientPod(kube, namespace, name);
  }

  /** Begins a load that goes on until `stop`; resolves when its lanes have all done something. */
  async startLoad(options: LoadOptions = {}): Promise<void> {
    await this.#post('/load/start', options);
  }

  /** Resolves when every lane of the load has gone on since. */
  async progress(): Promise<void> {
    await this.#post('/load/progress', {});
  }

  /** What the load has seen since its start, or since the last call with `reset`. */
  async report(options: { readonly reset?: boolean } = {}): Promise<LoadReport> {
    return (await this.#post('/load/report', options)) as LoadReport;
  }

  /** Ends the load; its report. */
  async stopLoad(): Promise<LoadReport> {
    return (await this.#post('/load/stop', {})) as LoadReport;
  }

  /** Reads back everything that the load was told is safe: a sentence for each value that is not as it should be. */
  async checkLoad(): Promise<string[]> {
    return (await this.#post('/load/check', {})) as string[];
  }

  /** Writes `count` keys of `bytes` each, acknowledged from `level`. */
  async fill(prefix: string, count: number, bytes: number, level: Acknowledgement = 'disk'): Promise<void> {
    await this.#post('/fill', { prefix, count, bytes, level });
  }

  /** Reads the keys of `fill` back; the names of those that are not there or hold something else. */
  async missing(prefix: string, count: number): Promise<string[]> {
    return (await this.#post('/missing', { prefix, count })) as string[];
  }

  async set(key: string, value: string, level: Acknowledgement = 'disk'): Promise<void> {
    await this.#post('/set', { key, value, level });
  }

  /** null for a miss. */
  async get(key: string): Promise<string | null> {
    return (await this.#post('/get', { key })) as string | null;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#post('/delete', { key })) as boolean;
  }

  async flush(level: 'disk' | 'blob'): Promise<void> {
    await this.#post('/flush', { level });
  }

  /** Names of all blobs of the namespace's Azurite, in the container of caches. */
  async blobs(): Promise<string[]> {
    return (await this.#post('/blobs', {})) as string[];
  }

  /** What each shard tells of itself (SHARDINFO). */
  async status(): Promise<Record<string, unknown>[]> {
    return (await this.#post('/status', {})) as Record<string, unknown>[];
  }

  /** One read with these options, from inside the cluster: 'accepted', or why not. */
  async attemptCall(options: ClientOptions): Promise<string> {
    return (await this.#post('/attempt/call', options)) as string;
  }

  /** The same on the internal port of a pod. */
  async attemptLink(attempt: LinkAttempt): Promise<string> {
    return (await this.#post('/attempt/link', attempt)) as string;
  }

  async attemptHttp(attempt: HttpAttempt): Promise<{ readonly status: number; readonly body: string }> {
    return (await this.#post('/attempt/http', attempt)) as { status: number; body: string };
  }

  /** The fingerprint of the certificate that a port shows. */
  async shownCertificate(port: Port): Promise<string> {
    return (await this.#post('/certificate', port)) as string;
  }

  /** The playground over `kvstore.KVStoreService`: its report. */
  async playground(): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
    const program = ['node', '/opt/kvcache/cli/main.ts', 'playground', '/opt/kvcache/acceptance/data/prompts.json'];
    return this.#kube.kubectlOutcome(['exec', '-n', this.namespace, this.name, '--', ...program, '--json']);
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    return JSON.parse(await this.#kube.throughPod(this.namespace, this.name, port, path, body)) as unknown;
  }
}
