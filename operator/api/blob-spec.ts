/** `spec.blob`: the Azure Blob account, and the one identity by which shards reach it. */
import { z } from 'zod';
import { duration, field, group, immutable, nonEmptyText, quantity, stringMap, text } from './field.ts';
import { secretKeyOr } from './pod-fields.ts';

const guid = text(36).regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/);

const identities = ['workloadIdentity', 'accountKey', 'sas', 'connectionString'] as const;
const identitiesGiven = identities.map((name) => `(has(self.${name}) ? 1 : 0)`).join(' + ');

const identity = field(
  z.object({
    workloadIdentity: field(
      z.object({
        clientID: field(guid, 'The client id of the managed identity or application.').optional(),
        tenantID: field(guid, 'Its tenant; the cluster’s own without it.').optional(),
        serviceAccountAnnotations: field(
          stringMap(16, 1_024),
          'Further annotations of the pods’ ServiceAccount.',
        ).optional(),
      }),
      'Azure workload identity: pods get a token of their ServiceAccount, and no secret exists. Also managed identities of the nodes, with {}.',
    ).optional(),
    accountKey: field(secretKeyOr('accountKey'), 'A Secret with the account’s shared key.').optional(),
    sas: field(secretKeyOr('sas'), 'A Secret with a shared access signature for the account or container.').optional(),
    connectionString: field(
      secretKeyOr('connectionString'),
      'A Secret with a connection string, which names the account too.',
    ).optional(),
  }),
  'How shards prove who they are: exactly one of the members.',
  {
    rules: [
      {
        rule: `${identitiesGiven} == 1`,
        message: 'spec.blob.identity must have exactly one of workloadIdentity, accountKey, sas and connectionString',
      },
    ],
  },
);

export const blob = field(
  z.object({
    accountURL: field(
      text(512).regex(/^https?:\/\/[^\s/?]+/),
      'The account, such as https://ACCOUNT.blob.core.windows.net. It cannot be changed.',
    ).optional(),
    container: field(
      text(63)
        .min(3)
        .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
        .default('kvcache'),
      'The container, which must exist unless the account is Azurite. It cannot be changed.',
    ),
    prefix: field(
      nonEmptyText(400).regex(/^[^/\s\\][^\s\\]*[^/\s\\]$/),
      'Where in the container the cache’s blobs lie, each shard’s under its own name; NAMESPACE/NAME without it. No two caches may share one. It cannot be changed.',
    ).optional(),
    identity,
    flushInterval: field(duration().default('1s'), 'How often new log bytes are committed to Blob, at least 50ms.', {
      rules: [
        {
          rule: "duration(self) >= duration('50ms')",
          message: 'spec.blob.flushInterval must be at least 50ms',
        },
      ],
    }),
    maxUnflushed: field(
      text(32)
        .regex(/^([1-9][0-9]?|100)%$|^[1-9][0-9]*(Ki|Mi|Gi|Ti)$/)
        .default('50%'),
      'The most bytes of the log that may be on disk and not yet in Blob, as a size or a share of the disk.',
    ),
    onFull: field(
      z.enum(['error', 'evict-unflushed']).default('error'),
      'At maxUnflushed: refuse writes after fullWait, or drop the oldest bytes that are not in Blob, and count them.',
    ),
    fullWait: field(duration().default('5s'), 'How long a write waits at maxUnflushed before it fails with BLOBFULL.'),
    retention: group(
      z.object({
        age: field(duration(), 'What has lain in Blob for longer is dropped; kept without it.').optional(),
        size: field(
          quantity(),
          'The most that one shard keeps in Blob, oldest dropped first; without a bound otherwise.',
        ).optional(),
      }),
      'What Blob keeps.',
    ),
  }),
  'The Azure Blob account under the shards.',
  {
    rules: [
      {
        rule: 'has(self.identity.connectionString) != has(self.accountURL)',
        message:
          'spec.blob.accountURL is needed unless spec.blob.identity.connectionString names the account, and excludes it',
      },
      {
        rule: "!has(self.identity.workloadIdentity) || !has(self.accountURL) || self.accountURL.startsWith('https://')",
        message: 'spec.blob.accountURL must be https with workloadIdentity: a token is only ever sent over TLS',
      },
      immutable(
        'accountURL',
        'spec.blob.accountURL cannot be changed: the blobs lie there. Make a second KVCache and move over',
      ),
      immutable(
        'container',
        'spec.blob.container cannot be changed: the blobs lie there. Make a second KVCache and move over',
      ),
      immutable(
        'prefix',
        'spec.blob.prefix cannot be changed: the blobs lie there. Make a second KVCache and move over',
      ),
    ],
  },
);

export type BlobSpec = z.output<typeof blob>;
