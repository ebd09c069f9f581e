/**
 * The secrets of a Blob account, from settings or from the files that settings name.
 *
 * Files are read once, when the shard starts: the client of Azure takes a secret when it is made. Another secret takes
 * another start, which an operator does one shard at a time.
 */
import { readFileSync } from 'node:fs';
import { KvcacheError } from '../../errors.ts';
import type { SettingName, Settings } from '../../settings/schema.ts';

export interface BlobSecrets {
  readonly connectionString: string | undefined;
  readonly accountKey: string | undefined;
  readonly sas: string | undefined;
}

/** Throws KvcacheError CONFIG for a file that cannot be read or is empty. */
export function blobSecrets(settings: Settings): BlobSecrets {
  return {
    connectionString: settings['blob.connection_string'] ?? fromFile(settings, 'blob.connection_string_file'),
    accountKey: settings['blob.account_key'] ?? fromFile(settings, 'blob.account_key_file'),
    sas: settings['blob.sas'] ?? fromFile(settings, 'blob.sas_file'),
  };
}

function fromFile(settings: Settings, name: SettingName): string | undefined {
  const path = settings[name];
  if (typeof path !== 'string') return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError('CONFIG', `${name} is '${path}', which cannot be read (${reason}); check the path`);
  }
  if (text === '') throw new KvcacheError('CONFIG', `${name} is '${path}', which is empty; write the secret into it`);
  return text;
}
