/** The parts of the Blob tier as the settings want them. Loaded only where there is one (open-storage.ts). */
import type { Logger } from 'pino';
import type { Settings } from '../../settings/schema.ts';
import type { TopologySource } from '../../topology/source.ts';
import { openBlobAccount } from './blob-account.ts';
import { blobSecrets } from './blob-secrets.ts';
import { BlobStore } from './blob-store.ts';
import { TopologyBlob } from './topology-blob.ts';
import { WriteBehind, type WriteBehindOptions } from './write-behind.ts';

export function openBlobStore(settings: Settings, logger: Logger): BlobStore {
  const account = openBlobAccount({
    ...blobSecrets(settings),
    accountUrl: settings['blob.account_url'],
    identityClientId: settings['blob.identity_client_id'],
    container: settings['blob.container'],
    prefix: settings['blob.prefix'],
  });
  logger.info({ blob: account.description }, 'Blob tier');
  return new BlobStore(account);
}

/** The copy of the topology in Blob; where the disk has none, it may be the only one there is. */
export async function openTopologyBlob(
  store: BlobStore,
  topology: TopologySource,
  logger: Logger,
): Promise<TopologyBlob> {
  const blob = new TopologyBlob(store, logger);
  const found = topology.hadCopy ? undefined : await blob.read();
  if (found !== undefined && topology.offer(found)) logger.info({ epoch: found.epoch }, 'the topology came from Blob');
  return blob;
}

export function openWriteBehind(store: BlobStore, options: WriteBehindOptions): WriteBehind {
  return new WriteBehind(store, options);
}
