/** Azurite in the cluster, as the Blob account of a scenario, with the Secret that a KVCache reaches it by. */
import { azuriteAccount, azuriteAccountKey } from '../../azurite/azurite.ts';
import type { CacheSpec } from './cache.ts';
import type { Kube } from './kube.ts';
import { isReady, type Pod } from './objects.ts';
import { preferControlPlane, restrictedContainer, restrictedPod } from './pod-parts.ts';
import { eventually, notYet } from './wait.ts';

const port = 10_000;
export const azuriteSecret = 'azurite';

/** `spec.blob` for this Azurite. */
export const azuriteBlob: NonNullable<CacheSpec['blob']> = {
  identity: { connectionString: { name: azuriteSecret } },
  flushInterval: '500ms',
};

/** Starts it; ready. What it holds goes with its pod. */
export async function startAzurite(kube: Kube, image: string, namespace: string): Promise<void> {
  const labels = { app: 'azurite' };
  const connectionString = [
    'DefaultEndpointsProtocol=http',
    `AccountName=${azuriteAccount}`,
    `AccountKey=${azuriteAccountKey}`,
    `BlobEndpoint=http://azurite.${namespace}.svc:${port}/${azuriteAccount}`,
  ].join(';');
  await kube.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: azuriteSecret, namespace },
    stringData: { connectionString },
  });
  await kube.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'azurite', namespace },
    spec: { selector: labels, ports: [{ port, targetPort: port }] },
  });
  await kube.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'azurite', namespace, labels },
    spec: {
      ...restrictedPod,
      ...preferControlPlane,
      containers: [
        {
          ...restrictedContainer,
          name: 'azurite',
          image,
          readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
          volumeMounts: [...restrictedContainer.volumeMounts, { name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [...restrictedPod.volumes, { name: 'data', emptyDir: {} }],
    },
  });
  await eventually('Azurite is ready', async () => {
    const pod = await kube.get<Pod>('Pod', 'azurite', namespace);
    return isReady(pod) || notYet(pod.status);
  });
}
