/** The internal port as processes open it, by settings and files, and links to it on real sockets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../testing/until.ts';
import type { ShardLinkOptions } from '../link/shard-link.ts';
import { LinkClient } from '../router/testing/link-client.ts';
import { TestExecutor } from '../router/testing/test-executor.ts';
import { SecurityFigures } from '../security/figures.ts';
import { type LinkSecurity, linkSecurity } from '../security/link-security.ts';
import { LiveSettings } from '../settings/live.ts';
import { loadSettings } from '../settings/load.ts';
import { TestAuthority, type TestIdentity, writeTlsFiles } from '../testing/certificates.ts';
import { TopologyHolder } from '../topology/holder.ts';
import { singleShardTopology } from '../topology/place.ts';
import { InternalPort } from './internal-port.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('another authority');

let folder: string;
let warnings: string[];
let infos: string[];
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-link-'));
  warnings = [];
  infos = [];
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

type Flags = Readonly<Record<string, string>>;

const log = {
  info: (_: object, message: string) => infos.push(message),
  warn: (_: object, message: string) => warnings.push(message),
};

function securityOf(flags: Flags): { live: LiveSettings; security: LinkSecurity } {
  const local = { 'link-host': '127.0.0.1', 'link-port': '0' };
  const live = new LiveSettings(
    loadSettings({ role: 'shard', flags: { ...local, ...flags }, environment: {} }),
    'shard',
  );
  const security = linkSecurity(live.current, log);
  cleanups.push(() => security.close());
  return { live, security };
}

interface Opened {
  readonly port: number;
  readonly figures: SecurityFigures;
}

async function open(flags: Flags): Promise<Opened> {
  const { live, security } = securityOf(flags);
  const figures = new SecurityFigures();
  const executor = new TestExecutor('shard-0');
  const topology = new TopologyHolder(singleShardTopology('shard-0', '127.0.0.1:7051'));
  const internal = new InternalPort({ live, name: 'shard-0', executor, topology, security, figures });
  const address = await internal.listen();
  cleanups.push(async () => {
    await internal.drain();
    await internal.close();
    executor.close();
  });
  return { port: Number(address.split(':')[1]), figures };
}

function linkTo({ port }: Opened, options: Partial<ShardLinkOptions> = {}): LinkClient {
  const client = new LinkClient(port, { ...options, address: `localhost:${port}` });
  cleanups.push(() => client.link.close());
  return client;
}

/** A link made as a process of these settings makes it. */
function linkBy(opened: Opened, flags: Flags): LinkClient {
  return linkTo(opened, securityOf(flags).security.client);
}

/** Why the link could not be made. */
async function faultOf(client: LinkClient): Promise<string> {
  await client.state('away');
  return client.link.fault!.replaceAll(/localhost:\d+/g, 'HOST');
}

async function works(client: LinkClient): Promise<boolean> {
  return (await client.run('GET', 'key')) === null;
}

let written = 0;
function secretFile(...lines: readonly string[]): string {
  const path = join(folder, `secret-${written++}`);
  writeFileSync(path, lines.join('\n'));
  return path;
}

function tlsFlags(identity: TestIdentity, ca = authority.cert, folderName = `tls-${written++}`): Flags {
  const paths = writeTlsFiles(join(folder, folderName), identity, ca);
  return { 'link-tls-cert-file': paths.cert, 'link-tls-key-file': paths.key, 'link-tls-ca-file': paths.ca };
}

describe('the secret of the internal port', () => {
  test('is shown by links that have it, from a setting or a file', async () => {
    const opened = await open({ 'link-secret': 'sesame' });
    expect(await works(linkBy(opened, { 'link-secret': 'sesame' }))).toBe(true);
    expect(await works(linkBy(opened, { 'link-secret-file': secretFile('sesame', '') }))).toBe(true);
    expect(await works(linkTo(opened, { secret: 'sesame' }))).toBe(true);
    expect(opened.figures.refusals.samples()).toEqual([]);
  });

  test('that is missing or wrong is refused and counted', async () => {
    const opened = await open({ 'link-secret-file': secretFile('sesame') });
    for (const options of [{}, { secret: 'barley' }, { secret: '' }]) {
      expect(await faultOf(linkTo(opened, options))).toBe('the link asks for its secret');
    }
    const counted = new Map(
      opened.figures.refusals.samples().map(([count, door, reason]) => [`${door} ${reason}`, count]),
    );
    // A link has several streams, and tries again.
    expect(counted.get('link missing')).toBeGreaterThan(0);
    expect(counted.get('link wrong')).toBeGreaterThan(1);
  });

  test('is rotated without a failed command: both, then the new one first, then the new one alone', async () => {
    const path = secretFile('old');
    const opened = await open({ 'link-secret-file': path });
    // A process that shows its first line, as all do, and whose file is replaced at the same time.
    const other = securityOf({ 'link-secret-file': path }).security;
    const lasting = linkTo(opened, other.client);
    expect(await works(lasting)).toBe(true);
    const stages = [
      [['old', 'new'], 'old'],
      [['new', 'old'], 'new'],
      [['new'], 'new'],
    ] as const;
    for (const [lines, shown] of stages) {
      writeFileSync(path, lines.join('\n'));
      await until(() => infos.length >= 2 && other.client.secret!() === shown);
      expect(await works(linkTo(opened, other.client))).toBe(true);
      infos = [];
    }
    await until(() => infos.length === 0);
    expect(await faultOf(linkTo(opened, { secret: 'old' }))).toBe('the link asks for its secret');
    expect(await works(lasting)).toBe(true);
    expect(lasting.link.stats().connects).toBe(1);
    expect(warnings).toEqual([]);
  });
});

describe('TLS of the internal port', () => {
  test('is spoken by both ends with the same settings', async () => {
    const flags = tlsFlags(authority.issue('shard-0'));
    const opened = await open(flags);
    expect(await works(linkBy(opened, flags))).toBe(true);
    expect(opened.figures.expirySamples()).toEqual([[expect.any(Number), 'link']]);
  });

  test('on one side only is told to whoever connects', async () => {
    const flags = tlsFlags(authority.issue('shard-0'));
    expect(await faultOf(linkTo(await open(flags)))).toMatch(/^HOST ended the connection .* connect with TLS$/);
    expect(await faultOf(linkBy(await open({}), flags))).toBe('HOST does not speak TLS; connect without it');
  });

  test('believes nobody that another authority has signed, nor one that has expired', async () => {
    const ours = tlsFlags(authority.issue('router'));
    const foreign = await open(tlsFlags(stranger.issue('shard-0')));
    expect(await faultOf(linkBy(foreign, ours))).toContain('is signed by no authority that is trusted here');
    const old = await open(tlsFlags(authority.issue('shard-0', { validForMs: -1_000 })));
    expect(await faultOf(linkBy(old, ours))).toBe('the certificate of HOST has expired');
    expect(warnings).toEqual(['the certificate of link.tls.cert_file has expired: clients will refuse it']);
  });

  test('takes a certificate for the name that was set', async () => {
    const flags = tlsFlags(authority.issue('shards', { names: ['link.kvcache.internal'] }));
    const opened = await open(flags);
    expect(await faultOf(linkBy(opened, flags))).toContain('is for another name');
    expect(await works(linkBy(opened, { ...flags, 'link-tls-server-name': 'link.kvcache.internal' }))).toBe(true);
  });

  test('asks the other end for its certificate where that is set', async () => {
    const flags = tlsFlags(authority.issue('shard-0'));
    const opened = await open({ ...flags, 'link-tls-client-auth': 'required' });
    expect(await works(linkBy(opened, flags))).toBe(true);
    const ca = authority.cert;
    expect(await faultOf(linkTo(opened, { tls: { ca } }))).toBe('HOST asks for a client certificate');
    expect(await faultOf(linkTo(opened, { tls: { ca, ...stranger.issue('router') } }))).toContain(
      'it may not accept this client’s certificate',
    );
    // Of a link's streams one is refused first; the others may be given up in the middle of their handshakes.
    expect(opened.figures.refusals.samples()).toContainEqual([expect.any(Number), 'link', 'certificate']);
  });

  test('asks for certificate and secret where both are set', async () => {
    const flags = tlsFlags(authority.issue('shard-0'));
    const both = { ...flags, 'link-tls-client-auth': 'required', 'link-secret': 'sesame' };
    const opened = await open(both);
    expect(await works(linkBy(opened, both))).toBe(true);
    expect(await faultOf(linkBy(opened, flags))).toBe('the link asks for its secret');
    expect(await faultOf(linkTo(opened, { secret: 'sesame', tls: { ca: authority.cert } }))).toBe(
      'HOST asks for a client certificate',
    );
  });

  test('takes new certificates under load without a failed command', async () => {
    const trust = authority.cert + stranger.cert;
    const flags = tlsFlags(authority.issue('first'), trust, 'rotated');
    const opened = await open({ ...flags, 'link-tls-client-auth': 'required' });
    const other = securityOf(flags).security;
    const lasting = linkTo(opened, other.client);
    const ending = new AbortController();
    let commands = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!ending.signal.aborted) {
        expect(await works(lasting)).toBe(true);
        const fresh = linkTo(opened, other.client);
        expect(await works(fresh)).toBe(true);
        fresh.link.close();
        commands++;
      }
    });
    for (const next of [stranger.issue('second'), authority.issue('third')]) {
      infos = [];
      tlsFlags(next, trust, 'rotated');
      await until(() => infos.length >= 2);
      const before = commands;
      await until(() => commands > before + 8);
    }
    ending.abort();
    await Promise.all(load);
    expect(lasting.link.stats().connects).toBe(1);
    expect(warnings).toEqual([]);
  });
});

describe('an internal port that asks for nothing', () => {
  const warning = /^the internal port asks for nothing/;

  test('is warned of where others than this machine reach it', () => {
    securityOf({ 'link-host': '0.0.0.0' });
    expect(warnings).toEqual([expect.stringMatching(warning)]);
  });

  test.each<[string, () => Flags]>([
    ['on this machine alone', () => ({})],
    ['with a secret', () => ({ 'link-host': '0.0.0.0', 'link-secret': 'sesame' })],
    [
      'with client certificates',
      () => ({
        'link-host': '0.0.0.0',
        'link-tls-client-auth': 'required',
        ...tlsFlags(authority.issue('shard-0')),
      }),
    ],
  ])('is none %s', (_, flags) => {
    securityOf(flags());
    expect(warnings).toEqual([]);
  });
});

test('files that are missing are told by the names of their settings before anything listens', () => {
  expect(() => securityOf({ 'link-secret-file': '/nowhere/secret' })).toThrow(
    "link.secret_file is '/nowhere/secret', which does not exist",
  );
  expect(() => securityOf({ 'link-tls-cert-file': '/nowhere/crt', 'link-tls-key-file': '/nowhere/key' })).toThrow(
    "link.tls.cert_file is '/nowhere/crt', which does not exist",
  );
});
