/**
 * Which key of which Secret becomes which file in a pod, and which setting names the file.
 *
 *   Secret key  →  projected volume `secrets`  →  /etc/kvcache/secrets/<path>  ←  setting `…_file`
 *
 * One list says both sides, so that no file is mounted that nobody reads, and no setting names a file that is not
 * there. Environment variables were rejected: they never change while a process runs, and every tool that shows
 * environments shows them.
 */
import type { V1VolumeProjection } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import type { SettingName } from '../../settings/schema.ts';
import type { Wire } from '../kube/resources.ts';
import { type Component, linkSecretKey, namesOf, paths } from './names.ts';

export interface SecretFile {
  readonly secret: string;
  readonly key: string;
  /** Within `paths.secrets`. */
  readonly path: string;
  readonly setting: SettingName;
  /** Whether a running process reads the file again when it changes; if not, another content needs another pod. */
  readonly isFollowed: boolean;
}

interface SecretKey {
  readonly name: string;
  readonly key: string;
}

/** What the pods of a component read, in a fixed order. */
export function secretFiles(cache: KVCache, component: Component): SecretFile[] {
  return [...publicFiles(cache), ...linkFiles(cache), ...(component === 'shard' ? blobFiles(cache) : [])];
}

function publicFiles({ spec: { security } }: KVCache): SecretFile[] {
  const { tls, auth } = security;
  return [
    ...(tls === undefined ? [] : certificate(tls.secretName, 'tls', 'tls.cert_file', 'tls.key_file')),
    ...file(tls?.clientCA, 'tls/ca.crt', 'tls.ca_file'),
    ...file(auth?.token, 'auth/token', 'auth.token_file'),
    ...file(auth?.password, 'auth/password', 'auth.password_file'),
  ];
}

function linkFiles(cache: KVCache): SecretFile[] {
  const { secret, tls } = cache.spec.security.link;
  return [
    ...file(secret ?? { name: namesOf(cache).linkSecret, key: linkSecretKey }, 'link/secret', 'link.secret_file'),
    ...(tls === undefined ? [] : certificate(tls.secretName, 'link', 'link.tls.cert_file', 'link.tls.key_file')),
    ...file(tls && { name: tls.ca.name, key: tls.ca.key }, 'link/ca.crt', 'link.tls.ca_file'),
  ];
}

function blobFiles({ spec: { blob } }: KVCache): SecretFile[] {
  return [
    ...file(blob?.identity.connectionString, 'blob/connection-string', 'blob.connection_string_file', false),
    ...file(blob?.identity.accountKey, 'blob/account-key', 'blob.account_key_file', false),
    ...file(blob?.identity.sas, 'blob/sas', 'blob.sas_file', false),
  ];
}

function file(from: SecretKey | undefined, path: string, setting: SettingName, isFollowed = true): SecretFile[] {
  return from === undefined ? [] : [{ secret: from.name, key: from.key, path, setting, isFollowed }];
}

function certificate(secret: string, folder: string, certificate: SettingName, key: SettingName): SecretFile[] {
  return [
    ...file({ name: secret, key: 'tls.crt' }, `${folder}/tls.crt`, certificate),
    ...file({ name: secret, key: 'tls.key' }, `${folder}/tls.key`, key),
  ];
}

/** Names of all Secrets that the pods of a cache mount, the generated one among them. */
export function secretNames(cache: KVCache): string[] {
  const names = secretFiles(cache, 'shard').map(({ secret }) => secret);
  return [...new Set(names)].sort();
}

/** Secret keys whose content a running shard does not read again: `ManifestContext.secretsHash` is of these. */
export function unfollowedSecrets(cache: KVCache): SecretFile[] {
  return secretFiles(cache, 'shard').filter(({ isFollowed }) => !isFollowed);
}

/** Where the process finds the file. */
export function secretPath({ path }: SecretFile): string {
  return `${paths.secrets}/${path}`;
}

/** The sources of the projected volume: one for each Secret, in order of first use. */
export function secretSources(cache: KVCache, component: Component): Wire<V1VolumeProjection>[] {
  const items = new Map<string, { key: string; path: string }[]>();
  for (const { secret, key, path } of secretFiles(cache, component)) {
    const known = items.get(secret);
    if (known) known.push({ key, path });
    else items.set(secret, [{ key, path }]);
  }
  return [...items].map(([name, items]) => ({ secret: { name, items } }));
}
