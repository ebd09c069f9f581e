import {
  ContainerSASPermissions,
  StorageSharedKeyCredential,
  generateBlobSASQueryParameters,
} from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { azuriteAccount, azuriteAccountKey } from '../../azurite/azurite.ts';
import { startTestAzurite } from '../../testing/azurite.ts';
import type { TestAzurite } from '../../testing/azurite.ts';
import { openBlobAccount } from './blob-account.ts';
import type { BlobAccountOptions } from './blob-account.ts';
import { BlobStore } from './blob-store.ts';

const place = { container: 'cache', prefix: 'a' };
const url = 'https://account.blob.core.windows.net';

describe('settings of the account', () => {
  test.each<[string, Partial<BlobAccountOptions>, RegExp]>([
    ['nothing', {}, /blob\.connection_string or blob\.account_url/u],
    [
      'connection string and URL',
      { connectionString: 'x', accountUrl: url },
      /connection_string and blob\.account_url/u,
    ],
    [
      'connection string and key',
      { connectionString: 'x', accountKey: 'k' },
      /connection_string and blob\.account_key/u,
    ],
    ['SAS and key', { accountUrl: url, sas: 's', accountKey: 'k' }, /blob\.sas and blob\.account_key exclude/u],
    [
      'SAS and identity',
      { accountUrl: url, sas: 's', identityClientId: 'c' },
      /blob\.sas and blob\.identity_client_id/u,
    ],
    ['a broken connection string', { connectionString: 'nonsense' }, /connection_string is not usable/u],
    ['something that is no URL', { accountUrl: 'account' }, /looks like https/u],
    ['a SAS inside the URL', { accountUrl: `${url}?sv=1` }, /blob\.sas/u],
    ['an identity over plain http', { accountUrl: 'http://account.example' }, /only ever sent over https/u],
    ['a bad container name', { accountUrl: url, container: 'Not_Valid' }, /lower-case/u],
    ['a prefix that is too long', { accountUrl: url, prefix: 'x'.repeat(600) }, /512/u],
  ])('%s is refused with a reason', (_what, options, reason) => {
    expect(() => openBlobAccount({ ...place, ...options })).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(reason) }),
    );
  });

  test('the machine’s identity is what a bare https URL means', () => {
    const account = openBlobAccount({ ...place, accountUrl: url, prefix: '/shards/7/' });
    expect(account.prefix).toBe('shards/7');
    expect(account.description).toBe(`${url}/cache/shards/7`);
  });

  test('the description never shows a secret', () => {
    const secret = 'sv=2024-11-04&sig=SECRET';
    expect(openBlobAccount({ ...place, accountUrl: url, sas: secret }).description).not.toContain('SECRET');
  });
});

describe('an account on Azurite', () => {
  let azurite: TestAzurite;
  beforeAll(async () => {
    azurite = await startTestAzurite();
  });
  afterAll(async () => {
    await azurite.remove();
  });

  test('is reached by connection string, by shared key and by SAS', async () => {
    const { connectionString, accountUrl } = azurite.azurite;
    const container = azurite.newContainerName();
    const sas = generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: ContainerSASPermissions.parse('rcwdl'),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential(azuriteAccount, azuriteAccountKey),
    ).toString();
    const byString = new BlobStore(openBlobAccount({ connectionString, container, prefix: '' }));
    const byKey = new BlobStore(openBlobAccount({ accountUrl, accountKey: azuriteAccountKey, container, prefix: '' }));
    const bySas = new BlobStore(openBlobAccount({ accountUrl, sas: `?${sas}`, container, prefix: '' }));
    expect(await byString.createContainer()).toMatchObject({ kind: 'done' });
    for (const store of [byString, byKey, bySas]) {
      expect(await store.putDocument('document', Buffer.from('text'), undefined)).toMatchObject({ kind: 'done' });
      expect(await store.readDocument('document', 10)).toMatchObject({
        kind: 'done',
        value: { body: Buffer.from('text') },
      });
    }
  });

  test('refuses a wrong key as forbidden, and says so', async () => {
    const { accountUrl } = azurite.azurite;
    const wrong = Buffer.from('wrong').toString('base64');
    const store = new BlobStore(openBlobAccount({ accountUrl, accountKey: wrong, container: 'cache', prefix: '' }));
    expect(await store.list('')).toMatchObject({ kind: 'forbidden' });
    expect(store.health).toBe('forbidden');
    expect(store.counts.list).toMatchObject({ calls: 1, attempts: 1, failures: 1 });
  });
});
