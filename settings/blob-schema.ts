/** Settings of the Blob tier: the account, and what is kept there for how long. */
import { derived, optional, type ProcessRole, setting } from './setting.ts';
import { choice, duration, path, size, sizeOrShare, text } from './types.ts';

const shard: readonly ProcessRole[] = ['shard', 'dev'];
/** Of one process, which `kvcache dev` chooses for each of its shards. */
const shardOnly: readonly ProcessRole[] = ['shard'];

export const blobSettings = {
  'blob.connection_string': optional(
    text('string', 'an Azure Storage connection string such as AccountName=…;AccountKey=…', /^\s*\w+=/),
    shard,
    'The Blob account as a connection string. Without this and blob.account_url a shard has no Blob tier.',
    { secret: true },
  ),
  'blob.connection_string_file': optional(path(), shard, 'A file with the connection string, read at start.'),
  'blob.account_url': optional(
    text('url', 'an http or https URL such as https://ACCOUNT.blob.core.windows.net', /^https?:\/\/[^\s/?]+/),
    shard,
    'The Blob account as a URL, with blob.account_key or blob.sas, or with neither for managed or workload identity.',
  ),
  'blob.account_key': optional(
    text('key', 'a storage account key in base64', /^[A-Za-z0-9+/]+={0,2}$/),
    shard,
    'The account’s shared key.',
    { secret: true },
  ),
  'blob.account_key_file': optional(path(), shard, 'A file with the account’s shared key, read at start.'),
  'blob.sas': optional(
    text('token', 'a SAS token such as sv=…&sig=…', /sig=/),
    shard,
    'A shared access signature for the account or the container.',
    { secret: true },
  ),
  'blob.sas_file': optional(path(), shard, 'A file with the shared access signature, read at start.'),
  'blob.identity_client_id': optional(
    text('id', 'the client id of a managed identity, such as 00000000-0000-0000-0000-000000000000', /^[\w-]+$/),
    shard,
    'The user-assigned managed identity to use with blob.account_url; without it the machine’s or pod’s own.',
  ),
  'blob.container': setting(
    text(
      'name',
      'a container name: 3 to 63 lower-case letters, digits and single dashes',
      /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/,
    ),
    'kvcache',
    shard,
    'The container, which must exist unless the account is Azurite.',
  ),
  'blob.prefix': derived(
    text('prefix', 'a path without a leading slash', /^[^/\s\\][^\s\\]*$/),
    'shard.name',
    shardOnly,
    'Where in the container this shard’s blobs lie. No two shards may share one; the later one fences the earlier.',
  ),
  'blob.flush_interval': setting(duration({ min: 50 }), 1_000, shard, 'How often new log bytes are committed to Blob.'),
  'blob.max_unflushed': setting(
    sizeOrShare('disk.size'),
    { share: 0.5 },
    shard,
    'The most bytes of the log that may be on disk and not yet in Blob.',
  ),
  'blob.on_full': setting(
    choice(['error', 'evict-unflushed']),
    'error',
    shard,
    'At blob.max_unflushed: refuse writes after blob.full_wait, or drop the oldest bytes that are not in Blob, and count them.',
    { changeable: true },
  ),
  'blob.full_wait': setting(
    duration(),
    5_000,
    shard,
    'How long a write waits at blob.max_unflushed before it fails with BLOBFULL.',
    { changeable: true },
  ),
  'blob.retention_age': setting(duration(), 0, shard, 'Segments in Blob older than this are dropped; 0 keeps them.', {
    changeable: true,
  }),
  'blob.retention_size': setting(
    size(),
    0,
    shard,
    'The most bytes a shard keeps in Blob, oldest dropped first; 0 for no bound.',
    { changeable: true },
  ),
} as const;
