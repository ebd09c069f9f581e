/** `spec: {}`, as the README begins: a working cache of three shards, which says that it is as durable as its disks. */
import { expect, test } from 'vitest';
import { Cache, conditionOf } from '../../harness/cache.ts';
import { isReady } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('empty-spec');
let cache: Cache;

test('an empty spec becomes ready, and kubectl wait sees it', async () => {
  const { kube, namespace } = scenario;
  cache = new Cache(kube, namespace, 'cache');
  await cache.applyExactly({});
  await kube.kubectl(['wait', 'kvc/cache', '-n', namespace, '--for=condition=Ready', '--timeout=180s']);
  const object = await cache.untilSettled();
  expect(object.status).toMatchObject({ shardsReady: '3/3', routersReady: '2/2', slotsServed: 16_384, replicas: 3 });
  expect(conditionOf(object, 'Durable')).toMatchObject({ status: 'False', reason: 'DisksOnly' });
  expect(conditionOf(object, 'Degraded')).toMatchObject({ status: 'False' });
});

test('kubectl get shows what a person looks at first', async () => {
  const { kube, namespace } = scenario;
  const shown = await kube.kubectl(['get', 'kvc', '-n', namespace]);
  expect(shown).toMatch(/NAME\s+READY\s+SHARDS\s+HIT RATE\s+MEMORY\s+AGE/u);
  expect(shown).toMatch(/cache\s+True\s+3\/3/u);
});

test('pods have no token of their ServiceAccount and meet the restricted level', async () => {
  const pods = await cache.pods();
  expect(pods).toHaveLength(5);
  expect(pods.every(isReady)).toBe(true);
  // The namespace enforces the level: a pod that did not meet it would not be there.
  for (const { spec } of pods) expect(spec.automountServiceAccountToken).toBe(false);
});

test('clients write, read and run the playground through the Service', async () => {
  const client = await scenario.client(cache);
  await client.set('greeting', 'hello');
  expect(await client.get('greeting')).toBe('hello');
  await client.fill('key', 200, 1_000);
  expect(await client.missing('key', 200)).toEqual([]);
  const { code, out } = await client.playground();
  expect(JSON.parse(out)).toMatchObject({ mismatched: 0, errors: 0 });
  expect(code).toBe(0);
});

test('Redis clients, and those of the binary protocol, reach the same keys through the Service', async () => {
  expect(await askOf(6_379, Buffer.from('GET greeting\r\n'))).toEqual(Buffer.from('$5\r\nhello\r\n'));
  const get = Buffer.from([1, 0, 0, 0, 8, ...Buffer.from('greeting')]);
  // OK, ten bytes: five of a head that says Bytes and how many, and the value.
  expect(await askOf(6_380, get)).toEqual(Buffer.from([0, 0, 0, 0, 10, 5, 0, 0, 0, 5, ...Buffer.from('hello')]));
});

/** What a port of the Service answers to these bytes, asked from a pod. */
async function askOf(port: number, bytes: Buffer): Promise<Buffer> {
  const program = `const socket = require('node:net').connect(${port}, 'cache', () => socket.write(Buffer.from('${bytes.toString('base64')}', 'base64')));
    socket.once('data', (answer) => { process.stdout.write(answer.toString('base64')); socket.destroy(); });`;
  const args = ['exec', '-n', scenario.namespace, 'client', '--', 'node', '-e', program];
  return Buffer.from(await scenario.kube.kubectl(args), 'base64');
}

test('events tell its story', async () => {
  const { kube, namespace } = scenario;
  const described = await kube.kubectl(['describe', 'kvc', 'cache', '-n', namespace]);
  expect(described).toContain('TopologyPublished');
  expect(described).toContain('BecameReady');
});
