/** `kubectl kvcache`, with a stand-in for kubectl and a real router behind its port-forward. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defaultedSpec, type KVCache, type KVCacheSpecInput, type KVCacheStatus } from '../operator/api/schema.ts';
import { TestAuthority } from '../testing/certificates.ts';
import { serverName } from './kubernetes/credentials.ts';
import { DevProcess, kvcache, makeFolder, type Outcome } from './testing/command.ts';
import { KubectlStandIn } from './testing/kubectl.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const kubectl = new KubectlStandIn();
afterAll(() => kubectl[Symbol.dispose]());

const type = 'kvcaches.kvcache.dev';

function cache(name: string, status?: KVCacheStatus, spec: KVCacheSpecInput = {}): object {
  return { metadata: { name, namespace: 'models', generation: 2 }, spec: defaultedSpec(spec), status };
}

function condition(name: string, status: 'True' | 'False', message = 'so it is') {
  return { type: name, status, reason: 'Reason', message, lastTransitionTime: '2020-01-01T00:00:00Z' };
}

const settled: KVCacheStatus = {
  observedGeneration: 2,
  replicas: 3,
  shardsReady: '3/3',
  conditions: [condition('Ready', 'True'), condition('Progressing', 'False')],
  shards: [{ name: 'one-shard-0', phase: 'Ready', ready: true, slots: 5461, node: 'node-a' }],
};

const run = (...args: string[]): Promise<Outcome> =>
  kvcache(args, { program: 'kubectl.ts', environment: { PATH: kubectl.path } });

describe('which KVCache is meant', () => {
  test('the only one of the namespace needs no name', async () => {
    kubectl.show({ objects: { [`${type}/one`]: cache('one', settled) } });
    const { code, out } = await run('status', '-n', 'models', '--context', 'prod');
    expect(code).toBe(0);
    expect(out).toContain('one in models: ready\nshards 3/3, ');
    expect(out).toContain('\none-shard-0\tReady\tnode-a\t');
    expect(kubectl.asked()).toEqual([['get', type, '--output=json', '--namespace=models', '--context=prod']]);
  });

  test('several are named in the refusal, and --cache chooses', async () => {
    kubectl.show({ objects: { [`${type}/one`]: cache('one'), [`${type}/two`]: cache('two') } });
    expect(await run('status')).toMatchObject({
      code: 2,
      err: 'kvcache: this namespace has 2 KVCaches: one, two; name one with --cache NAME\n',
    });
    expect((await run('--cache', 'two', 'status')).out).toContain('two in models: not seen by an operator yet\n');
  });

  test('what kubectl cannot find is said in its words', async () => {
    kubectl.show({ objects: {} });
    expect(await run('status', '--cache', 'three')).toMatchObject({
      code: 1,
      err: `kvcache: ${type} "three" not found\n`,
    });
    expect((await run('status')).err).toContain('there is no KVCache in this namespace');
  });
});

test.each([
  [`error: the server doesn't have a resource type "kvcaches"`, 2, 'this cluster does not know KVCaches; install'],
  ['The connection to the server localhost:6443 was refused - did you specify the right host or port?', 4, 'refused'],
  ['E1121 07:00:00 1 memcache.go] noise\nerror: You must be logged in to the server (Unauthorized)', 1, 'You must be'],
])('a fault of the cluster is a sentence: %s', async (fault, code, words) => {
  kubectl.show({ objects: {}, fault });
  const outcome = await run('status');
  expect(outcome.code).toBe(code);
  expect(outcome.err).toMatch(/^kvcache: [^\n]*\n$/);
  expect(outcome.err).toContain(words);
});

test('a machine without kubectl is told so', async () => {
  const outcome = await kvcache(['status'], { program: 'kubectl.ts', environment: { PATH: '/nowhere' } });
  expect(outcome).toMatchObject({ code: 2, out: '' });
  expect(outcome.err).toContain('kvcache: kubectl is not there; install it');
});

test('status as JSON is the status of the object', async () => {
  kubectl.show({ objects: { [`${type}/one`]: cache('one', settled) } });
  const { out } = await run('status', '--json');
  expect(JSON.parse(out)).toEqual({ name: 'one', namespace: 'models', generation: 2, status: settled });
});

describe('scale', () => {
  const scaling = { from: 3, to: 5, slotsMoving: 6000, keysLeft: 40, bytesLeft: 4096, bytesMoved: 0 };
  const five = { shards: { replicas: 5 } };
  const show = (...statuses: readonly KVCacheStatus[]): void =>
    kubectl.show({
      objects: { [`${type}/one`]: cache('one', settled, five) },
      changes: statuses.map((status) => cache('one', status, five)),
    });

  test('sets the number by the scale subresource, and ends when the operator has settled', async () => {
    show({ ...settled, scaling }, { ...settled, replicas: 5, scaling }, { ...settled, replicas: 5 });
    const { code, out } = await run('scale', '5');
    expect(out).toBe(
      'one is to have 5 shards already\n' +
        'scaling from 3 to 5 shards: 6000 slots are moving, 40 keys (4.00 KiB) left\n' +
        '5 shards serve\n',
    );
    expect(code).toBe(0);
    expect(kubectl.asked()).toContainEqual(['scale', type, 'one', '--replicas=5']);
  });

  test('says what is in the way, once', async () => {
    const blocked = [...settled.conditions!, condition('ScaleBlocked', 'True', 'it waits for one-shard-1')];
    const waiting = { ...settled, conditions: blocked };
    show({ ...waiting, scaling }, { ...waiting, scaling }, { ...settled, replicas: 5 });
    const lines = (await run('scale', '5', '--json')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { kind: 'accepted' },
      { kind: 'progress', slotsMoving: 6000, bytesLeft: 4096 },
      { kind: 'blocked', message: 'it waits for one-shard-1' },
      { kind: 'done', message: '5 shards serve' },
    ]);
  });

  test('goes on with another watch when the API server has ended one, until its time is over', async () => {
    show({ ...settled, scaling });
    const { code, err } = await run('scale', '5', '--timeout', '1s');
    expect(code).toBe(1);
    expect(err).toContain('one does not have 5 shards yet; the change goes on');
    expect(kubectl.asked().filter((args) => args.includes('--watch')).length).toBeGreaterThan(1);
  });

  test('ends where somebody else asks for another number', async () => {
    kubectl.show({ objects: { [`${type}/one`]: cache('one', settled, five) } });
    expect(await run('scale', '4')).toMatchObject({
      code: 1,
      out: 'scaling from 5 to 4 shards\n',
      err: 'kvcache: 5 shards were asked for meanwhile instead of 4\n',
    });
  });

  test('refuses numbers that no KVCache can have', async () => {
    kubectl.show({ objects: {} });
    expect((await run('scale', '0')).err).toContain('It must be a whole number from 1 to');
    expect(kubectl.asked()).toEqual([]);
  });
});

test('events are those of the KVCache and its own, in order', async () => {
  const event = (name: string, time: string, more: object = {}): object => ({
    metadata: { creationTimestamp: time },
    regarding: { kind: 'Pod', name },
    reason: 'Told',
    note: `of ${name}`,
    type: 'Normal',
    ...more,
  });
  kubectl.show({
    objects: {
      [`${type}/one`]: cache('one'),
      'events.events.k8s.io/1': event('one-shard-0', '2024-01-01T00:00:02Z', { type: 'Warning' }),
      'events.events.k8s.io/2': event('one', '2024-01-01T00:00:03Z', { series: { count: 4 } }),
      'events.events.k8s.io/3': event('data-one-shard-0', '2024-01-01T00:00:01Z'),
      'events.events.k8s.io/4': event('one-router-7d9f-x2x', '2024-01-01T00:00:04Z', { deprecatedCount: 2 }),
      'events.events.k8s.io/5': event('one-more-shard-0', '2024-01-01T00:00:05Z'),
      'events.events.k8s.io/6': event('another', '2024-01-01T00:00:06Z'),
    },
  });
  const events = JSON.parse((await run('events', '--json', '--cache', 'one')).out) as {
    object: string;
    count: number;
  }[];
  expect(events.map(({ object, count }) => [object, count])).toEqual([
    ['Pod/data-one-shard-0', 1],
    ['Pod/one-shard-0', 1],
    ['Pod/one', 4],
    ['Pod/one-router-7d9f-x2x', 2],
  ]);
  expect((await run('events', '--cache', 'one', '--warnings')).out.split('\n')[1]).toMatch(
    /Warning\tTold\tPod\/one-shard-0/,
  );
});

describe('commands at a router', () => {
  let dev: DevProcess;
  beforeAll(async () => {
    dev = await DevProcess.start({ args: ['--shards', '1'] });
  });
  afterAll(async () => dev?.dispose());

  const show = (spec: KVCacheSpecInput = {}, objects: Record<string, object> = {}): void =>
    kubectl.show({ objects: { [`${type}/one`]: cache('one', settled, spec), ...objects }, port: dev.portBase });

  test('go through a port-forward to the Service, and end it', async () => {
    show();
    expect(await run('set', 'greeting', 'hello', '-n', 'models')).toMatchObject({ code: 0, out: 'OK\n', err: '' });
    expect(await run('get', 'greeting')).toMatchObject({ code: 0, out: 'hello\n', err: '' });
    expect(await run('get', 'absent')).toMatchObject({ code: 3, err: 'kvcache: absent is not there\n' });
    expect(kubectl.asked()[1]).toEqual([
      'port-forward',
      '--address=127.0.0.1',
      'service/one',
      ':grpc',
      '--namespace=models',
    ]);
  });

  test('show the settings that the cluster runs with', async () => {
    show();
    const { out } = await run('config', '--json');
    expect(JSON.parse(out)).toMatchObject({ settings: expect.any(Object) as object });
    expect(kubectl.asked().some(([verb]) => verb === 'port-forward')).toBe(true);
  });

  test('say in kubectl’s words why there is no way', async () => {
    kubectl.show({ objects: {}, fault: 'error: unable to forward port because pod is not running' });
    expect(await run('get', 'greeting')).toMatchObject({
      code: 1,
      err: 'kvcache: unable to forward port because pod is not running\n',
    });
  });

  test('are refused where the KVCache has no such door', async () => {
    show({ listeners: { grpc: { enabled: false } } });
    expect((await run('get', 'greeting')).err).toContain('spec.listeners.grpc.enabled false');
  });

  test('show the token of the Secret that the KVCache names, and leave no file behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('kubectl-kvcache-'));
    show(
      { security: { auth: { token: { name: 'tokens' } } } },
      { 'secret/tokens': { data: { token: Buffer.from('first\nsecond\n').toString('base64') } } },
    );
    expect((await run('get', 'greeting')).code).toBe(0);
    expect(kubectl.asked()).toContainEqual(['get', 'secret', 'tokens', '--output=json']);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('kubectl-kvcache-'))).toEqual(before);
  });
});

describe('commands at a router with TLS and a token', () => {
  const authority = new TestAuthority();
  const names = ['one.models.svc', '*.one-shards.models.svc'];
  const identity = authority.issue('one', { names });
  const token = 'a-token-of-this-test';
  let dev: DevProcess;
  let folder: string;
  beforeAll(async () => {
    folder = makeFolder();
    const files = { 'tls.crt': identity.cert, 'tls.key': identity.key };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const tls = ['--tls-cert-file', join(folder, 'tls.crt'), '--tls-key-file', join(folder, 'tls.key')];
    dev = await DevProcess.start({ args: ['--shards', '1', ...tls, '--auth-token', token] });
  });
  afterAll(async () => {
    await dev?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const secret = (data: Readonly<Record<string, string>>): object => ({
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
  });
  const show = (tokens: string): void =>
    kubectl.show({
      objects: {
        [`${type}/one`]: cache('one', settled, {
          security: { tls: { secretName: 'certificates' }, auth: { token: { name: 'tokens' } } },
        }),
        'secret/certificates': secret({ 'tls.crt': identity.cert, 'ca.crt': authority.cert }),
        'secret/tokens': secret({ token: tokens }),
      },
      port: dev.portBase,
    });

  test('are let in by the Secrets that the KVCache names', async () => {
    show(`${token}\nthe-one-before\n`);
    expect(await run('set', 'greeting', 'hello')).toMatchObject({ code: 0, out: 'OK\n', err: '' });
    expect(await run('get', 'greeting')).toMatchObject({ code: 0, out: 'hello\n' });
  });

  test('show what the user has given instead, where that is something', async () => {
    show('a-wrong-token');
    const file = join(folder, 'token');
    writeFileSync(file, token);
    expect((await run('get', 'greeting', '--token-file', file)).code).toBe(0);
    const refused = await run('get', 'greeting');
    expect(refused.code).not.toBe(0);
    expect(refused.err).not.toContain('a-wrong-token');
  });
});

test('a certificate’s name is the Service’s where it has that', () => {
  const authority = new TestAuthority();
  const nameIn = (...names: string[]): string =>
    serverName(authority.issue('c', { names }).cert, cache('one') as unknown as KVCache);
  expect(nameIn('other.example', 'one.models.svc', 'one')).toBe('one.models.svc');
  expect(nameIn('cache.example', '*.example')).toBe('cache.example');
  expect(nameIn('*.models.svc')).toBe('any.models.svc');
});

test('help shows the plugin’s name in the examples of shared commands', async () => {
  const { out } = await run('get', '--help');
  expect(out).toContain('\n  kubectl kvcache get greeting\n');
  expect(out).not.toMatch(/^ +kvcache /m);
});

test('the program that kubectl looks for is there', () => {
  expect(readdirSync(resolve(import.meta.dirname, '../bin'))).toContain('kubectl-kvcache');
});
