/** A real cluster on which everything asks for something: TLS, a token, certificates and a secret between processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PlaygroundReport } from '../cli/playground/report.ts';
import { TestAuthority, type TlsFiles, writeTlsFiles } from '../testing/certificates.ts';
import { TestCluster } from './cluster.ts';

const prompts = join(import.meta.dirname, 'data/prompts.json');
const authority = new TestAuthority();

let folder: string;
let files: TlsFiles;
let tokenFile: string;
let cluster: TestCluster;
let shown: readonly string[];

function argumentsOf(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-security-'));
  files = writeTlsFiles(folder, authority.issue('kvcache'), authority.cert);
  tokenFile = join(folder, 'token');
  const secretFile = join(folder, 'secret');
  writeFileSync(tokenFile, 'open-sesame\n');
  writeFileSync(secretFile, 'among-us\n');
  cluster = await TestCluster.start({
    shards: 2,
    args: argumentsOf({
      'tls-cert-file': files.cert,
      'tls-key-file': files.key,
      'auth-token-file': tokenFile,
      'link-tls-cert-file': files.cert,
      'link-tls-key-file': files.key,
      'link-tls-ca-file': files.ca,
      'link-tls-client-auth': 'required',
      'link-secret-file': secretFile,
    }),
  });
  shown = ['--ca-file', files.ca, '--token-file', tokenFile];
}, 120_000);
afterAll(async () => {
  await cluster.dispose();
  rmSync(folder, { recursive: true, force: true });
});

test('commands work over TLS with the token', { timeout: 120_000 }, async () => {
  expect(await cluster.run(['set', 'greeting', 'hello', ...shown])).toMatchObject({ code: 0 });
  expect(await cluster.run(['get', 'greeting', '--tls', ...shown])).toMatchObject({ code: 0, out: 'hello\n' });
});

test('the playground finds and verifies its blocks', { timeout: 120_000 }, async () => {
  const { out, code } = await cluster.run(['playground', prompts, '--json', '--buffer-size', '100KB', ...shown]);
  expect(code).toBe(0);
  expect(JSON.parse(out) as PlaygroundReport).toMatchObject({ mismatched: 0, errors: 0 });
});

test.each<[string, () => string[], RegExp]>([
  ['without a token', () => ['--ca-file', files.ca], /credentials are missing or not accepted; show a token/],
  [
    'with a wrong token',
    () => ['--ca-file', files.ca, '--token', 'guessed-token'],
    /credentials are missing or not accepted/,
  ],
  ['without the authority', () => ['--tls', '--token-file', tokenFile], /signed by no authority that is trusted here/],
  ['in plain text', () => ['--token-file', tokenFile], /if it speaks TLS, connect with TLS/],
])('a command %s is refused in words', { timeout: 60_000 }, async (_, flags, words) => {
  const { code, err, out } = await cluster.run(['get', 'greeting', ...flags()]);
  expect(code).not.toBe(0);
  expect(out).toBe('');
  expect(err).toMatch(words);
  expect(err).not.toMatch(/guessed-token|open-sesame/);
});

test(
  'a certificate is replaced while a client writes and reads, without a failed call',
  { timeout: 60_000 },
  async () => {
    const client = cluster.keyClient({
      tls: { caFile: files.ca },
      credentials: { tokenFile },
      retry: { attemptsMax: 1 },
    });
    let calls = 0;
    const use = async (): Promise<void> => {
      for (let round = 0; round < 25; round++) {
        const value = String(calls++);
        await client.set('counter', value);
        expect(String(await client.get('counter'))).toBe(value);
      }
    };
    await use();
    writeTlsFiles(folder, authority.issue('renewed'), authority.cert);
    // A new process dials anew, with whatever is in force by then.
    const [fresh] = await Promise.all([cluster.run(['get', 'greeting', ...shown]), use()]);
    expect(fresh).toMatchObject({ code: 0, out: 'hello\n' });
    await use();
  },
);
