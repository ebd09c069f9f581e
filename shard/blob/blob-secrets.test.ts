import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { deriveSettings } from '../../settings/derive.ts';
import { blobSecrets } from './blob-secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvcache-blob-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(text: string): string {
  const path = join(folder, 'secret');
  writeFileSync(path, text);
  return path;
}

it('takes secrets from files, without the line end that editors add', () => {
  expect(blobSecrets(deriveSettings({ 'blob.account_key_file': written('a2V5\n') }))).toEqual({
    connectionString: undefined,
    accountKey: 'a2V5',
    sas: undefined,
  });
  const { connectionString, sas } = blobSecrets(
    deriveSettings({ 'blob.connection_string_file': written('AccountName=a'), 'blob.sas': 'sig=1' }),
  );
  expect([connectionString, sas]).toEqual(['AccountName=a', 'sig=1']);
});

it('says which file cannot be read, or is empty', () => {
  expect(() => blobSecrets(deriveSettings({ 'blob.sas_file': join(folder, 'none') }))).toThrow(
    /^blob\.sas_file is '.*none', which cannot be read \(ENOENT\)/,
  );
  expect(() => blobSecrets(deriveSettings({ 'blob.sas_file': written(' \n') }))).toThrow('which is empty');
});
