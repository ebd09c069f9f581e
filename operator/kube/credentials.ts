/**
 * Where the API server is and how this process proves who it is.
 *
 * In a pod both come from three mounted files, which the kubelet replaces while the process runs (tokens last an hour),
 * so they are read again every minute and after a 401. Outside a cluster a kubeconfig says it, with its exec and OIDC
 * plugins, contexts and proxies: that is @kubernetes/client-node's `KubeConfig`, loaded only then, because loading it
 * takes 85 MB of memory and 300 ms, which the operator in its pod should not pay for three files.
 */
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import type { RequestOptions as HttpsRequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { KvcacheError, messageOf } from '../../errors.ts';
import { kubeCredentialsAgeMaxMs } from '../../limits.ts';

/** What one request needs besides its path. */
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** Of a proxy on the way, which makes the connections itself. */
  readonly agent?: Agent | undefined;
}

export interface TlsMaterial {
  readonly ca?: Buffer | string | undefined;
  readonly cert?: Buffer | string | undefined;
  readonly key?: Buffer | string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

export interface Credentials {
  readonly server: URL;
  /** The namespace that the process is in, or that the context names. */
  readonly namespace: string | undefined;
  /** Asked before every request; quick, except where a token has to be fetched. */
  access(): Promise<Access>;
  /** The server did not know the token: the next access reads it again. */
  refuse(): void;
}

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface InClusterOptions {
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly maxAgeMs?: number;
}

class InClusterCredentials implements Credentials {
  readonly server: URL;
  readonly namespace: string;
  readonly #folder: string;
  readonly #maxAgeMs: number;
  #access: Promise<Access> | undefined;
  #readAtMs = 0;

  constructor(server: URL, namespace: string, folder: string, maxAgeMs: number) {
    this.server = server;
    this.namespace = namespace;
    this.#folder = folder;
    this.#maxAgeMs = maxAgeMs;
  }

  access(): Promise<Access> {
    const now = performance.now();
    if (this.#access && now - this.#readAtMs < this.#maxAgeMs) return this.#access;
    this.#readAtMs = now;
    const access = this.#read();
    // A failed reading must not be remembered for a minute; the caller hears of it.
    access.catch(() => {
      if (this.#access === access) this.#access = undefined;
    });
    this.#access = access;
    return access;
  }

  refuse(): void {
    this.#access = undefined;
  }

  async #read(): Promise<Access> {
    const [token, ca] = await Promise.all([
      readFile(join(this.#folder, 'token'), 'utf8'),
      readFile(join(this.#folder, 'ca.crt')),
    ]);
    return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
  }
}

/** Those of the pod that this process runs in; undefined where it runs in none. */
export async function inClusterCredentials(options: InClusterOptions = {}): Promise<Credentials | undefined> {
  const { folder = serviceAccountFolder, environment = process.env, maxAgeMs = kubeCredentialsAgeMaxMs } = options;
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (!host) return undefined;
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  let namespace: string;
  try {
    namespace = (await readFile(join(folder, 'namespace'), 'utf8')).trim();
  } catch (error) {
    throw new KvcacheError(
      'CONFIG',
      `this pod has no service-account token at ${folder} (${messageOf(error)}): ` +
        `set automountServiceAccountToken: true and a serviceAccountName in the operator's pod`,
      { cause: error },
    );
  }
  const server = new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`);
  return new InClusterCredentials(server, namespace, folder, maxAgeMs);
}

/** Fixed ones, for tests and tools that have them in their hands. */
export function fixedCredentials(server: string, access: Partial<Access> = {}, namespace?: string): Credentials {
  const fixed: Access = { headers: access.headers ?? {}, tls: access.tls ?? {}, agent: access.agent };
  return { server: new URL(server), namespace, access: () => Promise.resolve(fixed), refuse: () => undefined };
}

export interface KubeconfigOptions {
  /** A file; without it, KUBECONFIG or ~/.kube/config. */
  readonly file?: string | undefined;
  readonly context?: string | undefined;
}

/** Those of a kubeconfig file, exec and OIDC plugins and proxies included. */
export async function kubeconfigCredentials(options: KubeconfigOptions = {}): Promise<Credentials> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (options.file) config.loadFromFile(options.file);
    else config.loadFromDefault();
  } catch (error) {
    throw new KvcacheError('CONFIG', `the kubeconfig ${options.file ?? ''} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (options.context) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (!cluster?.server) {
    const names = config.getContexts().map(({ name }) => name);
    throw new KvcacheError(
      'CONFIG',
      `the kubeconfig has no context ${config.getCurrentContext() || '(none is current)'}; ` +
        `it has: ${names.join(', ') || 'none'}`,
    );
  }
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    async access() {
      const applied: HttpsRequestOptions = {};
      await config.applyToHTTPSOptions(applied);
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(applied.headers ?? {})) headers[name.toLowerCase()] = String(value);
      if (applied.auth) headers['authorization'] ??= `Basic ${Buffer.from(applied.auth).toString('base64')}`;
      return {
        headers,
        tls: {
          ca: applied.ca as TlsMaterial['ca'],
          cert: applied.cert as TlsMaterial['cert'],
          key: applied.key as TlsMaterial['key'],
          servername: applied.servername,
          rejectUnauthorized: applied.rejectUnauthorized,
        },
        agent: cluster.proxyUrl && typeof applied.agent === 'object' ? applied.agent : undefined,
      };
    },
    // KubeConfig watches over the life of its tokens itself.
    refuse: () => undefined,
  };
}

/** In a pod its own; else what kubectl would use. */
export async function defaultCredentials(options: KubeconfigOptions = {}): Promise<Credentials> {
  if (options.file || options.context) return kubeconfigCredentials(options);
  return (await inClusterCredentials()) ?? kubeconfigCredentials();
}
