import { describe, expect, test } from 'vitest';
import type { KvcacheError } from '../errors.ts';
import { type LoadedSettings, loadSettings, type SettingsInput } from './load.ts';
import { mask, runningConfig, settingRows } from './present.ts';
import type { ProcessRole } from './setting.ts';

function load(role: ProcessRole, flags: SettingsInput['flags']): LoadedSettings {
  return loadSettings({ role, flags, environment: {} });
}

function faultsOf(role: ProcessRole, flags: SettingsInput['flags']): string[] {
  try {
    load(role, flags);
  } catch (error) {
    return (error as KvcacheError).message.split('\n');
  }
  return [];
}

const pair = { 'tls-cert-file': 'tls.crt', 'tls-key-file': 'tls.key' };

describe('TLS and credentials of servers', () => {
  test.each(['shard', 'router', 'dev'] as const)(
    'of a %s: a certificate needs its key, and a key its certificate',
    (role) => {
      expect(faultsOf(role, pair)).toEqual([]);
      expect(faultsOf(role, { 'tls-cert-file': 'tls.crt' })).toEqual([
        'tls.cert_file is given and tls.key_file is not; TLS takes both',
      ]);
      expect(faultsOf(role, { 'link-tls-key-file': 'tls.key' })).toEqual([
        'link.tls.key_file is given and link.tls.cert_file is not; TLS takes both',
      ]);
    },
  );

  test('certificates of clients cannot be asked for without an authority that signs them', () => {
    expect(faultsOf('router', { ...pair, 'tls-client-auth': 'required' })).toEqual([
      "tls.client_auth is 'required' and tls.ca_file is missing; set what is missing or take 'none'",
    ]);
    expect(faultsOf('router', { ...pair, 'tls-client-auth': 'required', 'tls-ca-file': 'ca.crt' })).toEqual([]);
    expect(faultsOf('shard', { 'link-tls-client-auth': 'optional' })).toEqual([
      "link.tls.client_auth is 'optional' and link.tls.cert_file and link.tls.ca_file are missing; set what is missing or take 'none'",
    ]);
  });

  test('what looks like TLS and is none is refused', () => {
    expect(faultsOf('shard', { 'link-tls-ca-file': 'ca.crt', 'tls-ca-file': 'ca.crt' })).toEqual([
      'tls.ca_file is given and tls.cert_file is not; without a certificate there is no TLS',
      'link.tls.ca_file is given and link.tls.cert_file is not; without a certificate there is no TLS',
    ]);
  });

  test('a secret comes from its setting or from its file', () => {
    expect(
      faultsOf('shard', {
        'auth-token': 't',
        'auth-token-file': 'f',
        'auth-password': 'p',
        'auth-password-file': 'f',
        'link-secret': 's',
        'link-secret-file': 'f',
      }),
    ).toEqual([
      'auth.password and auth.password_file are both given; keep one of them',
      'auth.token and auth.token_file are both given; keep one of them',
      'link.secret and link.secret_file are both given; keep one of them',
    ]);
  });

  test('secrets are masked in what is shown, and no part of a fault', () => {
    const { settings, sources } = load('shard', {
      'auth-password': 'sesame',
      'auth-token': 'barley',
      'link-secret': 'oats',
    });
    const shown = JSON.stringify([settingRows(settings, sources, 'shard'), runningConfig(settings, 'shard')]);
    expect(shown).not.toMatch(/sesame|barley|oats/);
    expect(runningConfig(settings, 'shard')).toMatchObject({
      auth: { password: mask, token: mask },
      link: { secret: mask },
    });
    expect(faultsOf('shard', { 'auth-token': 'two words' })).toEqual([
      'auth.token is not right (flag --auth-token); it must be printable ASCII characters without spaces',
    ]);
  });

  test('settings of the internal port are nested in their own group', () => {
    const { settings } = load('shard', { 'link-tls-cert-file': 'tls.crt', 'link-tls-key-file': 'tls.key' });
    expect(runningConfig(settings, 'shard')).toMatchObject({
      link: { port: 7051, tls: { cert_file: 'tls.crt', key_file: 'tls.key', client_auth: 'none' } },
    });
  });
});

describe('TLS and credentials of commands', () => {
  test.each([
    [{}, false],
    [{ tls: true }, true],
    [{ 'ca-file': 'ca.crt' }, true],
    [{ 'cert-file': 'tls.crt', 'key-file': 'tls.key' }, true],
    [{ 'server-name': 'cache' }, true],
    [{ server: 'https://localhost:50051' }, true],
    [{ server: 'http://localhost:50051' }, false],
  ])('%j means TLS: %s', (flags, isTls) => {
    expect(load('client', flags).settings['client.tls']).toBe(isTls);
  });

  test('what contradicts itself is refused', () => {
    expect(faultsOf('client', { tls: true, server: 'http://localhost:50051' })).toEqual([
      "client.server is 'http://localhost:50051' and client.tls is true; write https:// or leave TLS out",
    ]);
    expect(faultsOf('client', { 'client-tls': 'false', 'ca-file': 'ca.crt' })).toEqual([
      'client.tls is false and client.ca_file is for TLS; keep one of them',
    ]);
    expect(faultsOf('client', { 'client-tls': 'false', server: 'https://localhost:50051' })).toEqual([
      "client.tls is false and client.server 'https://localhost:50051' is for TLS; keep one of them",
    ]);
    expect(faultsOf('client', { 'token-file': 'token', password: 'sesame' })).toEqual([
      'client.token_file and client.password are both given; a call carries one of them, keep that',
    ]);
  });
});
