/**
 * Deletes what a cache has in Blob, for `deletionPolicy: Delete`.
 *
 * The operator does it itself, with the credentials of the cache: a namespace that is being deleted takes no Job, and its
 * Secrets may be gone before the KVCache's turn comes, which is why the credentials are read while the cache still lives.
 * Only blobs below the cache's own prefix are touched, page by page, so that a killed operator goes on where it stopped.
 */
import { deletionBlobsInFlightMax, deletionBlobsPerPassMax } from '../../limits.ts';
import { type BlobAccountOptions, openBlobAccount } from '../../shard/blob/blob-account.ts';
import type { KVCache } from '../api/schema.ts';
import { blobPrefix } from '../manifests/settings.ts';
import type { CacheSecrets } from './cache-secrets.ts';

/** The account of a cache; undefined without `spec.blob`, or where its Secret cannot be read (any more). */
export async function blobAccountOf(cache: KVCache, secrets: CacheSecrets): Promise<BlobAccountOptions | undefined> {
  const { blob } = cache.spec;
  if (blob === undefined) return undefined;
  const { accountURL, container, identity } = blob;
  const given = { accountUrl: accountURL, container, prefix: blobPrefix(cache) };
  const reference = identity.connectionString ?? identity.accountKey ?? identity.sas;
  if (reference === undefined) return { ...given, identityClientId: identity.workloadIdentity?.clientID };
  const secret = (await secrets.value(cache, reference.name, reference.key))?.trim();
  if (secret === undefined) return undefined;
  if (identity.connectionString !== undefined) return { ...given, connectionString: secret };
  return identity.accountKey === undefined ? { ...given, sas: secret } : { ...given, accountKey: secret };
}

/** Deletes blobs, at most a pass's worth; true when none is left. */
export async function deleteBlobs(options: BlobAccountOptions, signal: AbortSignal): Promise<boolean> {
  const { container, prefix } = openBlobAccount(options);
  if (prefix === '') throw new TypeError('blobs are deleted below a prefix only');
  if (!(await container.exists({ abortSignal: signal }))) return true;
  let names: string[] = [];
  let deleted = 0;
  const flush = async (): Promise<void> => {
    await Promise.all(names.map((name) => container.getBlobClient(name).deleteIfExists({ abortSignal: signal })));
    deleted += names.length;
    names = [];
  };
  for await (const { name } of container.listBlobsFlat({ prefix: `${prefix}/`, abortSignal: signal })) {
    names.push(name);
    if (names.length >= deletionBlobsInFlightMax) await flush();
    if (deleted >= deletionBlobsPerPassMax) return false;
  }
  await flush();
  return true;
}
