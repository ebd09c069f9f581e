/**
 * Certificates, authorities, tokens and the secret of the internal port are replaced in their Secrets, in the order that
 * docs/security.md tells, while a client writes and reads: no call fails, no process starts again, what is new is
 * accepted, and what was taken out is not.
 */
import { X509Certificate } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { TestAuthority, type TestIdentity } from '../../../testing/certificates.ts';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { restarts, type Pod } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { applySecret, untilMounted } from '../../harness/secrets.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('rotated-secrets');
const ports = { grpc: 50_051, http: 8_080, link: 7_051 };
/** A change that files have is in force a look later; links that are away try again every few seconds. */
const inForceWithin = { timeoutMs: 60_000 };
/** Where the cache's pods have their secrets, and where the client has its own. */
const mounts = '/etc/kvcache/secrets';
const client = { ca: '/secrets/door-ca/ca.crt', token: '/secrets/shown/token' };
const noAuthority = /signed by no authority that is trusted here/;
const noCredentials = /credentials are missing or not accepted/;

let cache: Cache;
let pod: ClientPod;
let server: string;
let before: Map<string, string>;
const doors = new TestAuthority('doors');
const nextDoors = new TestAuthority('next doors');
const links = new TestAuthority('links');
const nextLinks = new TestAuthority('next links');

function change(name: string, data: Readonly<Record<string, string>>): Promise<void> {
  return applySecret(scenario.kube, scenario.namespace, name, data);
}

/** Resolves when every pod of the cache has this text in the file. */
async function untilInCache(file: string, text: string): Promise<void> {
  const files = (await cache.pods()).map(({ metadata }) => ({ pod: metadata.name, path: `${mounts}/${file}` }));
  await untilMounted(scenario.kube, scenario.namespace, files, text);
}

async function untilAtClient(path: string, text: string): Promise<void> {
  await untilMounted(scenario.kube, scenario.namespace, [{ pod: pod.name, path }], text);
}

function doorIdentity(authority: TestAuthority): TestIdentity {
  return authority.issue('doors', { names: [server, `*.cache-shards.${scenario.namespace}.svc`] });
}

function linkIdentity(authority: TestAuthority): TestIdentity {
  const { namespace } = scenario;
  return authority.issue('links', { names: [`*.cache-shards.${namespace}.svc`, `cache-routers.${namespace}.svc`] });
}

function tlsData({ cert, key }: TestIdentity): Record<string, string> {
  return { 'tls.crt': cert, 'tls.key': key };
}

/** Every pod, by address: a certificate of the doors has the name of the Service. */
async function doorsOf(port: number) {
  return (await cache.pods()).map(({ metadata, status }) => ({
    pod: metadata.name,
    port: { host: status.podIP!, port, serverName: server, caFile: client.ca },
  }));
}

/** The internal ports of the shards, with what the client has mounted of a Secret. */
async function linkPorts(secret: string, mounted: string) {
  const { namespace } = scenario;
  const folder = `/secrets/${mounted}`;
  return (await cache.pods('shard')).map(({ metadata, status }) => ({
    shard: metadata.name,
    host: status.podIP!,
    port: ports.link,
    serverName: `${metadata.name}.cache-shards.${namespace}.svc`,
    secret,
    certFile: `${folder}/tls.crt`,
    keyFile: `${folder}/tls.key`,
    caFile: `${folder}/ca.crt`,
  }));
}

/** Resolves when new connections to every door show this certificate. */
async function untilShown({ cert }: TestIdentity): Promise<void> {
  const { fingerprint256 } = new X509Certificate(cert);
  for (const port of [ports.grpc, ports.http]) {
    for (const { pod: name, port: at } of await doorsOf(port)) {
      await eventually(
        `port ${port} of ${name} shows the new certificate`,
        async () => (await pod.shownCertificate(at)) === fingerprint256,
        inForceWithin,
      );
    }
  }
}

/** What a call with these credentials meets at every door, each by a connection of its own. */
async function eachDoor(token: string, expected: 'accepted' | RegExp): Promise<void> {
  for (const { port } of await doorsOf(ports.grpc)) {
    const options = {
      server: `https://${port.host}:${port.port}`,
      tls: { caFile: port.caFile, serverName: port.serverName },
      credentials: { token },
    };
    await eventually(
      `${port.host} answers a token as it should`,
      async () => {
        const outcome = await pod.attemptCall(options);
        return (expected === 'accepted' ? outcome === expected : expected.test(outcome)) || notYet(outcome);
      },
      inForceWithin,
    );
  }
  for (const { port } of await doorsOf(ports.http)) {
    const { status } = await pod.attemptHttp({ ...port, path: '/metrics', token });
    expect(status).toBe(expected === 'accepted' ? 200 : 401);
  }
}

async function eachLink(secret: string, expected: 'accepted' | RegExp, mounted = 'link-tls'): Promise<void> {
  for (const at of await linkPorts(secret, mounted)) {
    await eventually(
      `the internal port of ${at.shard} answers a secret as it should`,
      async () => {
        const outcome = await pod.attemptLink(at);
        return (expected === 'accepted' ? outcome === expected : expected.test(outcome)) || notYet(outcome);
      },
      inForceWithin,
    );
  }
}

/** How often the router refused, by door and reason. */
async function refusals(token: string): Promise<Record<string, number>> {
  const router = (await cache.pods('router'))[0]!.metadata.name;
  const { port } = (await doorsOf(ports.http)).find((door) => door.pod === router)!;
  const { body } = await pod.attemptHttp({ ...port, path: '/metrics', token });
  const lines = body.matchAll(/^kvcache_auth_failures_total\{door="(\w+)",reason="(\w+)"\} (\d+)$/gmu);
  return Object.fromEntries([...lines].map(([, door, reason, count]) => [`${door} ${reason}`, Number(count)]));
}

/** The same pods and the same processes as at the beginning, and a load that never failed. */
async function expectUndisturbed(): Promise<void> {
  await pod.progress();
  const pods: Pod[] = await cache.pods();
  expect(new Map(pods.map(({ metadata }) => [metadata.name, metadata.uid!]))).toEqual(before);
  expect(pods.map(restarts)).toEqual(pods.map(() => 0));
  expect(await pod.report()).toMatchObject({ faults: {}, violations: [] });
  // The operator reaches them too, by what is in force now.
  await cache.untilSettled();
  expect((await cache.condition('Degraded'))?.status).toBe('False');
}

beforeAll(() => {
  server = `cache.${scenario.namespace}.svc`;
});

test('a cache that asks for TLS, a token and a secret serves those who have them', async () => {
  await change('door-tls', tlsData(doorIdentity(doors)));
  await change('door-ca', { 'ca.crt': doors.cert });
  await change('accepted', { token: 'token-1', password: 'password-1' });
  await change('shown', { token: 'token-1' });
  await change('link', { secret: 'secret-1' });
  await change('link-tls', { ...tlsData(linkIdentity(links)), 'ca.crt': links.cert });
  // For the day on which its authority is no longer trusted: it itself trusts the next one.
  await change('old-link-tls', { ...tlsData(linkIdentity(links)), 'ca.crt': nextLinks.cert });
  const connection = { tls: { caFile: client.ca }, credentials: { tokenFile: client.token } };
  await change('connection', { 'options.json': JSON.stringify(connection) });
  cache = await scenario.cache('cache', {
    shards: { replicas: 2 },
    routers: { unavailableReads: 'error' },
    security: {
      tls: { secretName: 'door-tls' },
      auth: { token: { name: 'accepted' }, password: { name: 'accepted', key: 'password' } },
      link: {
        secret: { name: 'link' },
        tls: { secretName: 'link-tls', ca: { name: 'link-tls' }, clientAuthentication: 'Required' },
      },
    },
  });
  await cache.untilSettled();
  pod = await scenario.client(cache, {
    server: `https://${cache.server}`,
    secrets: ['door-ca', 'shown', 'connection', 'link-tls', 'old-link-tls'],
    env: [{ name: 'E2E_CONNECTION_FILE', value: '/secrets/connection/options.json' }],
  });
  await pod.startLoad();
  before = new Map((await cache.pods()).map(({ metadata }) => [metadata.name, metadata.uid!]));
  expect(before.size).toBe(3);
});

test('whoever shows nothing or something else is refused, in words, and counted', async () => {
  const at = { server: `https://${cache.server}`, tls: { caFile: client.ca } };
  expect(await pod.attemptCall({ ...at, credentials: { password: 'password-1' } })).toBe('accepted');
  const counted = await refusals('token-1');
  expect(await pod.attemptCall({ ...at, credentials: { token: 'guessed' } })).toMatch(noCredentials);
  expect(await pod.attemptCall({ ...at, credentials: { password: 'guessed' } })).toMatch(noCredentials);
  expect(await pod.attemptCall({ server: cache.server, credentials: { token: 'token-1' } })).toMatch(
    /if it speaks TLS/,
  );
  expect(await pod.attemptCall({ ...at, tls: true, credentials: { token: 'token-1' } })).toMatch(noAuthority);
  const after = await refusals('token-1');
  const more = (what: string): number => (after[what] ?? 0) - (counted[what] ?? 0);
  expect(more('grpc wrong')).toBe(2);
  expect(more('grpc handshake')).toBeGreaterThanOrEqual(2);
  await eachLink('guessed', /asks for its secret/);
  await eachLink('secret-1', 'accepted');
  await expectUndisturbed();
});

test('a certificate of the same authority takes the old one’s place', async () => {
  const identity = doorIdentity(doors);
  await change('door-tls', tlsData(identity));
  await untilInCache('tls/tls.crt', identity.cert);
  await untilShown(identity);
  await eachDoor('token-1', 'accepted');
  await expectUndisturbed();
});

test('another authority takes the old one’s place: both are trusted, certificates change, the old one goes', async () => {
  const both = `${doors.cert}${nextDoors.cert}`;
  await change('door-ca', { 'ca.crt': both });
  await untilAtClient(client.ca, both);
  const identity = doorIdentity(nextDoors);
  await change('door-tls', tlsData(identity));
  await untilInCache('tls/tls.crt', identity.cert);
  await untilShown(identity);
  await change('door-ca', { 'ca.crt': doors.cert });
  await untilAtClient(client.ca, doors.cert);
  const old = { server: `https://${cache.server}`, tls: { caFile: client.ca }, credentials: { token: 'token-1' } };
  expect(await pod.attemptCall(old)).toMatch(noAuthority);
  await change('door-ca', { 'ca.crt': nextDoors.cert });
  await untilAtClient(client.ca, nextDoors.cert);
  await eachDoor('token-1', 'accepted');
  await expectUndisturbed();
});

test('another token takes the old one’s place: both are accepted, clients change, the old one goes', async () => {
  await change('accepted', { token: 'token-1\ntoken-2', password: 'password-1' });
  await untilInCache('auth/token', 'token-1\ntoken-2');
  await eachDoor('token-1', 'accepted');
  await eachDoor('token-2', 'accepted');
  await change('shown', { token: 'token-2' });
  await untilAtClient(client.token, 'token-2');
  await change('accepted', { token: 'token-2', password: 'password-1' });
  await untilInCache('auth/token', 'token-2');
  await eachDoor('token-1', noCredentials);
  await eachDoor('token-2', 'accepted');
  await expectUndisturbed();
});

test('another secret of the internal port takes the old one’s place', async () => {
  for (const secret of ['secret-1\nsecret-2', 'secret-2\nsecret-1']) {
    await change('link', { secret });
    await untilInCache('link/secret', secret);
    await eachLink('secret-1', 'accepted');
    await eachLink('secret-2', 'accepted');
  }
  await change('link', { secret: 'secret-2' });
  await untilInCache('link/secret', 'secret-2');
  await eachLink('secret-1', /asks for its secret/);
  await eachLink('secret-2', 'accepted');
  await expectUndisturbed();
});

test('another authority of the internal port takes the old one’s place', async () => {
  const both = `${links.cert}${nextLinks.cert}`;
  const identity = linkIdentity(nextLinks);
  await change('link-tls', { ...tlsData(linkIdentity(links)), 'ca.crt': both });
  await untilInCache('link/ca.crt', both);
  await change('link-tls', { ...tlsData(identity), 'ca.crt': both });
  await untilInCache('link/tls.crt', identity.cert);
  await change('link-tls', { ...tlsData(identity), 'ca.crt': nextLinks.cert });
  await untilInCache('link/ca.crt', nextLinks.cert);
  await untilAtClient('/secrets/link-tls/ca.crt', nextLinks.cert);
  await eachLink('secret-2', 'accepted');
  await eachLink('secret-2', /does not accept this client’s certificate|may not accept/, 'old-link-tls');
  await expectUndisturbed();
});

test('what joins now finds its way in: a shard is added, and the load has seen no fault', async () => {
  await cache.edit({ shards: { replicas: 3 } });
  await cache.untilSettled();
  const { violations, faults } = await pod.stopLoad();
  expect({ violations, faults }).toEqual({ violations: [], faults: {} });
  expect(await pod.checkLoad()).toEqual([]);
});
