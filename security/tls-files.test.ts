import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestAuthority, writeTlsFiles } from '../testing/certificates.ts';
import type { NamedFile } from './watched-files.ts';
import { channelTlsOf, serverTlsOf, type TlsFiles, type TlsTexts, watchTls } from './tls-files.ts';

const authority = new TestAuthority();
const identity = authority.issue('shard-0');
let folder: string;
let files: Record<keyof TlsFiles, NamedFile>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-tls-files-'));
  const { cert, key, ca } = writeTlsFiles(folder, identity, authority.cert);
  files = {
    cert: { name: 'tls.cert_file', path: cert },
    key: { name: 'tls.key_file', path: key },
    ca: { name: 'tls.ca_file', path: ca },
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(given: TlsFiles): TlsTexts {
  const watched = watchTls(given, () => undefined);
  watched.close();
  return watched.value;
}

let written = 0;
function fileOf(name: string, content: string): { name: string; path: string } {
  const path = join(folder, `file-${written++}`);
  writeFileSync(path, content);
  return { name, path };
}

test('certificate, key and authority are read, with who the certificate is for and until when', () => {
  const texts = read(files);
  expect(texts).toMatchObject({ ...identity, ca: authority.cert });
  expect(texts.identity).toMatchObject({
    subject: 'CN=shard-0',
    fingerprint: expect.stringMatching(/^([\dA-F]{2}:){31}/),
  });
  expect(texts.identity!.validUntilMs).toBeGreaterThan(Date.now());
});

test('a chain behind the certificate is taken, and its first certificate is the own one', () => {
  const chain = fileOf('tls.cert_file', identity.cert + authority.cert);
  expect(read({ ...files, cert: chain }).identity!.subject).toBe('CN=shard-0');
  const turned = fileOf('tls.cert_file', authority.cert + identity.cert);
  expect(() => read({ ...files, cert: turned })).toThrow(`tls.key_file ('${files.key.path}') is not the key of`);
});

test('both ends are made of the same files', () => {
  const watched = watchTls(files, () => undefined);
  watched.close();
  expect(serverTlsOf(watched, 'required')).toMatchObject({
    clientAuthentication: 'required',
    current: { ...identity, ca: authority.cert },
  });
  expect(channelTlsOf(watched, 'cache')()).toMatchObject({ ...identity, ca: authority.cert, serverName: 'cache' });
});

const other = new TestAuthority().issue('other');
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' });

test.each<[string, () => TlsFiles, RegExp]>([
  ['no PEM', () => ({ ...files, cert: fileOf('tls.cert_file', 'hello') }), /^tls.cert_file is '.*', which has no cert/],
  [
    'an empty authority',
    () => ({ ...files, ca: fileOf('tls.ca_file', '') }),
    /^tls.ca_file is '.*', which has no cert/,
  ],
  [
    'a broken certificate',
    () => ({ ...files, ca: fileOf('tls.ca_file', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----') }),
    /^tls.ca_file is '.*', which has a broken certificate/,
  ],
  [
    'no key',
    () => ({ ...files, key: fileOf('tls.key_file', identity.cert) }),
    /^tls.key_file is '.*', which is no priv/,
  ],
  [
    'another’s key',
    () => ({ ...files, key: fileOf('tls.key_file', other.key) }),
    /^tls.key_file \('.*'\) is not the key/,
  ],
  ['a weak other key', () => ({ ...files, key: fileOf('tls.key_file', weak) }), /is not the key of/],
])('%s is refused by the name of its setting', (_, given, fault) => {
  expect(() => read(given())).toThrow(fault);
});

test('no text of a fault has anything of a key in it', () => {
  const halfKey = identity.key.slice(0, 120);
  const secretPart = halfKey.split('\n')[1]!.slice(0, 20);
  try {
    read({ ...files, key: fileOf('tls.key_file', halfKey) });
    expect.unreachable();
  } catch (error) {
    expect(String(error)).not.toContain(secretPart);
  }
});
