/** What no setting of the Blob account can check alone, each fault a sentence that names the settings. */
import type { SettingName } from './schema.ts';

/** With defaults or as given. */
type SomeSettings = Readonly<Partial<Record<SettingName, unknown>>>;

const connectionStrings = ['blob.connection_string', 'blob.connection_string_file'] as const;
const accountSecrets = ['blob.account_key', 'blob.account_key_file', 'blob.sas', 'blob.sas_file'] as const;

/** True where a Blob tier is configured. */
export function hasBlob(settings: SomeSettings): boolean {
  return given(settings, ['blob.account_url', ...connectionStrings]).length > 0;
}

export function blobConflicts(settings: SomeSettings): string[] {
  const secrets = given(settings, accountSecrets);
  const isHomeless = secrets.length > 0 && settings['blob.account_url'] === undefined;
  return [
    ...several(given(settings, [...connectionStrings, 'blob.account_url'])),
    ...(isHomeless
      ? ['blob.account_key and blob.sas belong to blob.account_url, which is missing; set it to the account’s URL']
      : []),
    ...several(secrets),
  ];
}

function given(settings: SomeSettings, names: readonly SettingName[]): SettingName[] {
  return names.filter((name) => settings[name] !== undefined);
}

function several(names: readonly SettingName[]): string[] {
  if (names.length < 2) return [];
  return [`${names.join(' and ')} are ${names.length === 2 ? 'both' : 'all'} given; keep one of them`];
}
