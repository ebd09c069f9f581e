import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubeClient } from './client.ts';
import { defaultCredentials, inClusterCredentials, kubeconfigCredentials } from './credentials.ts';
import { namespaces } from './resources.ts';
import { ApiServer } from './testing/api-server.ts';

const server = await ApiServer.start();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvcache-credentials-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await server?.stop();
});

const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };

test('in a pod, server, token and certificate come from what is mounted, and a new token is taken up', async () => {
  await writeFile(join(folder, 'namespace'), 'caches');
  await writeFile(join(folder, 'token'), 'first\n');
  await writeFile(join(folder, 'ca.crt'), 'certificate');
  const credentials = (await inClusterCredentials({ folder, environment }))!;
  expect(credentials.server.href).toBe('https://[fd00::1]:6443/');
  expect(credentials.namespace).toBe('caches');
  expect(await credentials.access()).toEqual({
    headers: { authorization: 'Bearer first' },
    tls: { ca: Buffer.from('certificate') },
  });
  await writeFile(join(folder, 'token'), 'second');
  expect((await credentials.access()).headers['authorization']).toBe('Bearer first');
  credentials.refuse();
  expect((await credentials.access()).headers['authorization']).toBe('Bearer second');

  const impatient = (await inClusterCredentials({ folder, environment, maxAgeMs: 0 }))!;
  expect((await impatient.access()).headers['authorization']).toBe('Bearer second');
  await writeFile(join(folder, 'token'), 'third');
  expect((await impatient.access()).headers['authorization']).toBe('Bearer third');
});

test('outside a pod there are no such credentials, and a pod without a token is told what to set', async () => {
  expect(await inClusterCredentials({ folder, environment: {} })).toBeUndefined();
  await expect(inClusterCredentials({ folder: join(folder, 'nowhere'), environment })).rejects.toThrow(
    'set automountServiceAccountToken: true',
  );
});

test('a token that cannot be read is a fault of the request, and read again with the next', async () => {
  const own = await mkdtemp(join(folder, 'token-'));
  await writeFile(join(own, 'namespace'), 'caches');
  const credentials = (await inClusterCredentials({ folder: own, environment }))!;
  const client = new KubeClient({ credentials });
  await expect(client.get(namespaces, { name: 'x' }, { attemptsMax: 1 })).rejects.toThrow('no credentials: ENOENT');
  await writeFile(join(own, 'token'), 'here');
  await writeFile(join(own, 'ca.crt'), 'certificate');
  expect((await credentials.access()).headers['authorization']).toBe('Bearer here');
  client.close();
});

test('a kubeconfig that is not there, or lacks the context, is named with what it has', async () => {
  await expect(kubeconfigCredentials({ file: join(folder, 'missing') })).rejects.toThrow(
    /kubeconfig .*missing cannot be used/,
  );
  const file = join(folder, 'config');
  const contexts = [{ name: 'production', context: { cluster: 'c', user: 'u' } }];
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [], users: [], contexts }));
  await expect(kubeconfigCredentials({ file, context: 'staging' })).rejects.toThrow(
    'has no context staging; it has: production',
  );
});

describe.skipIf(!server)('against a real kube-apiserver', () => {
  test('a kubeconfig with a token, and one with an exec plugin, let a client in', async () => {
    const file = await server!.writeKubeconfig();
    const credentials = await defaultCredentials({ file });
    const client = new KubeClient({ credentials });
    expect((await client.get(namespaces, { name: 'default' }))?.metadata.name).toBe('default');
    client.close();

    const { headers } = await credentials.access();
    const token = headers['authorization']!.replace('Bearer ', '');
    const plugin = join(folder, 'plugin.sh');
    const answer = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } };
    await writeFile(plugin, `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`);
    await chmod(plugin, 0o755);
    const ca = (await server!.credentials().then((each) => each.access())).tls.ca as Buffer;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: server!.url, 'certificate-authority-data': ca.toString('base64') } }],
      users: [{ name: 'u', user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin } } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'caches' } }],
      'current-context': 'x',
    };
    const withPlugin = join(folder, 'with-plugin');
    await writeFile(withPlugin, JSON.stringify(config));
    const byPlugin = new KubeClient({ credentials: await kubeconfigCredentials({ file: withPlugin }) });
    expect((await byPlugin.get(namespaces, { name: 'default' }))?.metadata.name).toBe('default');
    expect(byPlugin.namespace).toBe('caches');
    byPlugin.close();
  });

  test('a server whose certificate is not of the known authority is not spoken to', async () => {
    const credentials = await server!.credentials();
    const access = await credentials.access();
    const strange = new KubeClient({ credentials: { ...credentials, access: async () => ({ ...access, tls: {} }) } });
    await expect(strange.get(namespaces, { name: 'default' }, { attemptsMax: 1 })).rejects.toMatchObject({
      reason: 'Connection',
      message: expect.stringMatching(/certificate/),
    });
    strange.close();
  });
});
