import { expect, test } from 'vitest';
import { loadSettings } from '../settings/load.ts';
import { doorSecurity } from './door-security.ts';

const names = ['grpc', 'http', 'resp', 'tcp'];
const local = Object.fromEntries(names.map((name) => [`${name}-host`, '127.0.0.1']));

function warningsOf(flags: Readonly<Record<string, string>>): string[] {
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (_: object, message: string) => void warnings.push(message) };
  doorSecurity(loadSettings({ role: 'router', flags, environment: {} }).settings, log).close();
  return warnings;
}

test.each(names)('a password that travels in plain text to %s is warned of by the address of that door', (name) => {
  const flags = { ...local, 'auth-password': 'sesame' };
  expect(warningsOf(flags)).toEqual([]);
  expect(warningsOf({ ...flags, [`${name}-host`]: '0.0.0.0' })).toEqual([
    `tokens and passwords travel in plain text (${name}): set tls.cert_file and tls.key_file`,
  ]);
  expect(warningsOf({ ...flags, [`${name}-host`]: '0.0.0.0', [`${name}-enabled`]: 'false' })).toEqual([]);
});

test('all doors that others can reach are one warning, and without credentials there is none', () => {
  expect(warningsOf({})).toEqual([]);
  expect(warningsOf({ 'auth-token': 't' })).toEqual([
    'tokens and passwords travel in plain text (grpc, http, resp, tcp): set tls.cert_file and tls.key_file',
  ]);
});
