/** What no setting of TLS and credentials can check alone, each fault a sentence that names the settings. */
import type { ProcessRole } from './setting.ts';
import type { SettingName, Settings } from './schema.ts';

/** Each of them says that commands mean TLS. */
export const clientTlsNames = [
  'client.ca_file',
  'client.cert_file',
  'client.key_file',
  'client.server_name',
] as const satisfies readonly SettingName[];

/** What each server's credential may be given as: by itself, or in a file. */
const serverCredentials = [
  ['auth.password', 'auth.password_file'],
  ['auth.token', 'auth.token_file'],
  ['link.secret', 'link.secret_file'],
] as const satisfies readonly (readonly SettingName[])[];

/** Of which a call carries one. */
const clientCredentials = [
  'client.token',
  'client.token_file',
  'client.password',
  'client.password_file',
] as const satisfies readonly SettingName[];

/**
 * Settings that say the same in several ways. What comes from a stronger source (a flag, a variable, the file) takes the
 * place of the others: who types --password-file does not mean the KV_PASSWORD that is around. From one source several
 * of them are a conflict.
 */
export const credentialAlternatives: readonly (readonly SettingName[])[] = [...serverCredentials, clientCredentials];

export function securityConflicts(settings: Settings, role: ProcessRole): string[] {
  return role === 'client' ? clientConflicts(settings) : serverConflicts(settings);
}

function serverConflicts(settings: Settings): string[] {
  return [
    ...unpaired(settings, 'tls.cert_file', 'tls.key_file'),
    ...unpaired(settings, 'link.tls.cert_file', 'link.tls.key_file'),
    ...withoutCertificate(settings, 'tls.cert_file', ['tls.ca_file']),
    ...withoutCertificate(settings, 'link.tls.cert_file', ['link.tls.ca_file', 'link.tls.server_name']),
    ...withoutAuthority(settings, 'tls.client_auth', 'tls.cert_file', 'tls.ca_file'),
    ...withoutAuthority(settings, 'link.tls.client_auth', 'link.tls.cert_file', 'link.tls.ca_file'),
    ...serverCredentials.flatMap(([value, file]) => both(settings, value, file)),
  ];
}

function clientConflicts(settings: Settings): string[] {
  const faults = [
    ...unpaired(settings, 'client.cert_file', 'client.key_file'),
    ...both(settings, 'client.token', 'client.token_file'),
    ...both(settings, 'client.password', 'client.password_file'),
  ];
  const credentials = clientCredentials.filter((name) => settings[name] !== undefined);
  if (credentials.length > 1 && faults.length === 0) {
    faults.push(`${credentials.join(' and ')} are both given; a call carries one of them, keep that`);
  }
  const server = settings['client.server'];
  const isTls = settings['client.tls'];
  if (isTls && server?.startsWith('http://')) {
    faults.push(`client.server is '${server}' and client.tls is true; write https:// or leave TLS out`);
  }
  const unused = clientTlsNames.filter((name) => settings[name] !== undefined);
  if (!isTls && (unused.length > 0 || server?.startsWith('https://'))) {
    const meant = unused[0] ?? `client.server '${server}'`;
    faults.push(`client.tls is false and ${meant} is for TLS; keep one of them`);
  }
  return faults;
}

function unpaired(settings: Settings, certificate: SettingName, key: SettingName): string[] {
  if ((settings[certificate] === undefined) === (settings[key] === undefined)) return [];
  const [given, missing] = settings[key] === undefined ? [certificate, key] : [key, certificate];
  return [`${given} is given and ${missing} is not; TLS takes both`];
}

/** What means nothing without a certificate, and so looks as if there were TLS where there is none. */
function withoutCertificate(settings: Settings, certificate: SettingName, names: readonly SettingName[]): string[] {
  if (settings[certificate] !== undefined) return [];
  return names
    .filter((name) => settings[name] !== undefined)
    .map((name) => `${name} is given and ${certificate} is not; without a certificate there is no TLS`);
}

function withoutAuthority(
  settings: Settings,
  authentication: 'tls.client_auth' | 'link.tls.client_auth',
  certificate: SettingName,
  authority: SettingName,
): string[] {
  const asked = settings[authentication];
  if (asked === 'none') return [];
  const missing = [certificate, authority].filter((name) => settings[name] === undefined);
  if (missing.length === 0) return [];
  const verb = missing.length === 1 ? 'is' : 'are';
  return [
    `${authentication} is '${asked}' and ${missing.join(' and ')} ${verb} missing; set what is missing or take 'none'`,
  ];
}

function both(settings: Settings, value: SettingName, file: SettingName): string[] {
  if (settings[value] === undefined || settings[file] === undefined) return [];
  return [`${value} and ${file} are both given; keep one of them`];
}
