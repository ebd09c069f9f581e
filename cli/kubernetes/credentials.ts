/**
 * What a client must show and check to be let in, read from the Secrets that the KVCache names: so that `kubectl kvcache
 * get` works as soon as TLS and tokens are on, for whoever may read these Secrets.
 *
 * It is handed to the commands as their environment variables, below whatever the user has typed or set.
 */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KVCache } from '../../operator/api/schema.ts';
import { nameOfCache } from './find-cache.ts';
import type { Kubectl } from './kubectl.ts';

export interface ClientEnvironment extends Disposable {
  readonly variables: Readonly<Record<string, string>>;
}

interface Secret {
  readonly data?: Readonly<Record<string, string>>;
}

/** The variables by which a client reaches `address` (host:port) as the KVCache asks. */
export async function clientEnvironment(kubectl: Kubectl, cache: KVCache, address: string): Promise<ClientEnvironment> {
  const { tls, auth } = cache.spec.security;
  const variables: Record<string, string> = {};
  let folder: string | undefined;
  if (tls === undefined) variables['KVSTORE_GRPC_SERVER'] = address;
  else {
    variables['KVSTORE_GRPC_SERVER'] = `https://${address}`;
    const secret = await kubectl.json<Secret>(['get', 'secret', tls.secretName]);
    const certificate = secretText(secret, 'tls.crt');
    if (certificate !== undefined) variables['KVCACHE_CLIENT_SERVER_NAME'] = serverName(certificate, cache);
    // Without an authority in the Secret the certificate must be one that this machine trusts anyway.
    const authority = secretText(secret, 'ca.crt');
    if (authority !== undefined) {
      folder = mkdtempSync(join(tmpdir(), 'kubectl-kvcache-'));
      const file = join(folder, 'ca.crt');
      writeFileSync(file, authority, { mode: 0o600 });
      variables['KVCACHE_CLIENT_CA_FILE'] = file;
    }
  }
  const [variable, reference] = auth?.token
    ? (['KVCACHE_CLIENT_TOKEN', auth.token] as const)
    : (['KVCACHE_CLIENT_PASSWORD', auth?.password] as const);
  if (reference !== undefined) {
    const secret = await kubectl.json<Secret>(['get', 'secret', reference.name]);
    const [first] = (secretText(secret, reference.key) ?? '').split('\n');
    if (first !== undefined && first !== '') variables[variable] = first;
  }
  return {
    variables,
    [Symbol.dispose]() {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function secretText({ data }: Secret, key: string): string | undefined {
  const value = data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

/** The name that the certificate is for: the Service's in one of its forms where it has that, else its first. */
export function serverName(certificate: string, cache: KVCache): string {
  const { subjectAltName = '' } = new X509Certificate(certificate);
  const names = [...subjectAltName.matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name!.replace(/^\*\./, 'any.'));
  const service = `${nameOfCache(cache)}.${cache.metadata.namespace}`;
  const ours = [`${service}.svc.cluster.local`, `${service}.svc`, service, nameOfCache(cache)];
  return ours.find((name) => names.includes(name)) ?? names[0] ?? `${service}.svc`;
}
