/**
 * From settings to a client of one container: connection string, SAS, shared key, or the identity that the machine or
 * the pod has. Exactly one of them; a contradiction is a CONFIG error that names both sides.
 */
import { DefaultAzureCredential } from '@azure/identity';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob';

import { KvcacheError, messageOf } from '../../errors.ts';

export interface BlobAccountOptions {
  /** Account and secret in one, as the Azure portal shows it. Excludes all of the next four. */
  readonly connectionString?: string | undefined;
  /** `https://<account>.blob.core.windows.net`, or an emulator's `http://127.0.0.1:10000/devstoreaccount1`. */
  readonly accountUrl?: string | undefined;
  /** A shared access signature, with or without its question mark. */
  readonly sas?: string | undefined;
  /** The account's shared key, base64. */
  readonly accountKey?: string | undefined;
  /** The client id of a user-assigned managed identity; without it the machine's or pod's own. */
  readonly identityClientId?: string | undefined;
  readonly container: string;
  /** Folder of this shard in the container. */
  readonly prefix: string;
}

export interface BlobAccount {
  readonly container: ContainerClient;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** For log lines: URL of container and prefix, without secrets. */
  readonly description: string;
}

/** One try an operation: blob-resilience.ts decides what is tried again. */
const pipelineOptions: StoragePipelineOptions = {
  retryOptions: { maxTries: 1 },
  userAgentOptions: { userAgentPrefix: 'kvcache' },
};

/** Azure's rule for container names. */
const containerPattern = /^[a-z0-9](?:-?[a-z0-9]){2,62}$/u;

export function openBlobAccount(options: BlobAccountOptions): BlobAccount {
  if (!containerPattern.test(options.container)) {
    throw new KvcacheError(
      'CONFIG',
      `blob.container is "${options.container}"; Azure wants 3 to 63 lower-case letters, digits and single hyphens`,
    );
  }
  const prefix = options.prefix.replaceAll(/^\/+|\/+$/gu, '');
  if (prefix.length > 512 || prefix.split('/').length > 64) {
    throw new KvcacheError('CONFIG', 'blob.prefix is too long; at most 512 characters and 64 folders');
  }
  const container = serviceClient(options).getContainerClient(options.container);
  const url = new URL(container.url);
  return { container, prefix, description: `${url.origin}${url.pathname}/${prefix}` };
}

function serviceClient(options: BlobAccountOptions): BlobServiceClient {
  const { connectionString, accountUrl, sas, accountKey, identityClientId } = options;
  const given = Object.entries({ sas, account_key: accountKey, identity_client_id: identityClientId }).filter(
    ([, value]) => isSet(value),
  );
  if (isSet(connectionString)) {
    const excluded = isSet(accountUrl) ? 'account_url' : given[0]?.[0];
    if (excluded !== undefined) {
      throw new KvcacheError('CONFIG', `blob.connection_string and blob.${excluded} exclude each other; give one`);
    }
    try {
      return BlobServiceClient.fromConnectionString(connectionString, pipelineOptions);
    } catch (error) {
      // The SDK's messages name the part that is missing and never the secret.
      throw new KvcacheError('CONFIG', `blob.connection_string is not usable: ${messageOf(error)}`);
    }
  }
  if (!isSet(accountUrl)) {
    throw new KvcacheError('CONFIG', 'Blob needs blob.connection_string or blob.account_url');
  }
  if (given.length > 1) {
    const names = given.map(([name]) => `blob.${name}`).join(' and ');
    throw new KvcacheError(
      'CONFIG',
      `${names} exclude each other; give one of them, or none for the machine's identity`,
    );
  }
  return withUrl(parseUrl(accountUrl), options);
}

function withUrl(url: URL, { sas, accountKey, identityClientId }: BlobAccountOptions): BlobServiceClient {
  if (isSet(sas)) {
    url.search = sas.startsWith('?') ? sas : `?${sas}`;
    return new BlobServiceClient(url.href, undefined, pipelineOptions);
  }
  const bare = url.href.replace(/\/$/u, '');
  if (isSet(accountKey)) {
    const credential = new StorageSharedKeyCredential(accountNameOf(url), accountKey);
    return new BlobServiceClient(bare, credential, pipelineOptions);
  }
  if (url.protocol !== 'https:') {
    throw new KvcacheError('CONFIG', `blob.account_url is ${bare}; an identity is only ever sent over https`);
  }
  const credential = new DefaultAzureCredential(
    isSet(identityClientId)
      ? { managedIdentityClientId: identityClientId, workloadIdentityClientId: identityClientId }
      : {},
  );
  return new BlobServiceClient(bare, credential, pipelineOptions);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new KvcacheError(
      'CONFIG',
      `blob.account_url is "${text}"; it looks like https://<account>.blob.core.windows.net`,
    );
  }
  if (url.search !== '') {
    throw new KvcacheError('CONFIG', 'blob.account_url carries a query; put a shared access signature into blob.sas');
  }
  return url;
}

/** `https://name.blob.…/` or, on an emulator, `http://address:port/name`. */
function accountNameOf(url: URL): string {
  const fromPath = url.pathname.split('/').find((part) => part !== '');
  return fromPath ?? url.hostname.split('.', 1)[0] ?? '';
}
