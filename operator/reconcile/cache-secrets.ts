/**
 * The Secrets of a cache as the operator needs them: to speak on the internal port, to notice a changed credential that
 * pods do not read again by themselves, and to delete blobs.
 *
 * Secrets are read by name, kept for half a minute, and never logged. The link's own Secret is made here, once; should
 * somebody delete it, the same value is written again as long as this process remembers it, for the pods still use it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { secretsAgeMs } from '../../limits.ts';
import type { KVCache } from '../api/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets, type Stored } from '../kube/resources.ts';
import { linkSecret, linkSecretBytes } from '../manifests/link-secret.ts';
import { linkSecretKey, namesOf, namespaceOf } from '../manifests/names.ts';
import { unfollowedSecrets } from '../manifests/secrets.ts';
import type { LinkSecurity } from '../pods/pod-links.ts';
import { Recent } from './recent.ts';

type Secret = Stored<NonNullable<(typeof secrets)['shape']>>;

export class CacheSecrets {
  readonly #client: KubeClient;
  readonly #recent = new Recent<Secret | undefined>(secretsAgeMs);
  readonly #made = new Map<string, string>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The value of one key; undefined where Secret or key are missing. */
  async value(cache: KVCache, name: string, key: string): Promise<string | undefined> {
    const namespace = namespaceOf(cache);
    const secret = await this.#recent.get(`${namespace}/${name}`, () => this.#client.get(secrets, { namespace, name }));
    const encoded = secret?.data?.[key];
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
  }

  /** Makes the Secret of the link where the user brings none and there is none. */
  async ensureLinkSecret(cache: KVCache): Promise<void> {
    const id = cache.metadata.uid ?? '';
    const name = namesOf(cache).linkSecret;
    const known = await this.value(cache, name, linkSecretKey);
    const text = known ?? this.#made.get(id) ?? randomBytes(linkSecretBytes).toString('base64url');
    this.#made.set(id, text);
    const { resource, object } = linkSecret(cache, text.trim());
    if (known !== undefined || object === undefined) return;
    await this.#client.createIfAbsent(resource, object);
    this.#recent.forget(`${namespaceOf(cache)}/${name}`);
  }

  /** How the operator shows itself to the pods of a cache, and a text that changes with it. */
  async linkSecurity(cache: KVCache): Promise<{ readonly security: LinkSecurity; readonly id: string }> {
    const { secret, tls } = cache.spec.security.link;
    const name = secret?.name ?? namesOf(cache).linkSecret;
    const lines = await this.value(cache, name, secret?.key ?? linkSecretKey);
    // All lines are accepted by pods; the first is the one to show.
    const first = lines?.split('\n', 1)[0]?.trim();
    const security: LinkSecurity = {
      secret: first === '' ? undefined : first,
      tls: tls && {
        ca: await this.value(cache, tls.ca.name, tls.ca.key),
        cert: await this.value(cache, tls.secretName, 'tls.crt'),
        key: await this.value(cache, tls.secretName, 'tls.key'),
        serverName: tls.serverName,
      },
    };
    return { security, id: hashOf([security]) };
  }

  /** Stands for the credentials that running pods do not read again; undefined where one of them cannot be read. */
  async unfollowedHash(cache: KVCache): Promise<string | undefined> {
    const values: string[] = [];
    for (const { secret, key } of unfollowedSecrets(cache)) {
      const value = await this.value(cache, secret, key);
      if (value === undefined) return undefined;
      values.push(value);
    }
    return values.length === 0 ? undefined : hashOf(values).slice(0, 16);
  }

  forget(uid: string): void {
    this.#made.delete(uid);
  }
}

function hashOf(values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}
