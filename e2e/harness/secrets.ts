/**
 * Secrets that pods have mounted, changed as an administrator changes them.
 *
 * A kubelet looks at what a pod has mounted when it looks at the pod: once a minute or so by itself, and whenever the
 * pod changes. A note on the pod is such a change, so that a scenario of ten changes takes seconds and not ten minutes.
 * What is waited for is the file that the process reads, in every pod.
 */
import type { Kube } from './kube.ts';
import { eventually, notYet } from './wait.ts';

/** Where a pod has a key of a Secret. */
export interface MountedAt {
  readonly pod: string;
  readonly path: string;
}

export async function applySecret(
  kube: Kube,
  namespace: string,
  name: string,
  stringData: Readonly<Record<string, string>>,
): Promise<void> {
  await kube.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData });
}

/** Resolves when every one of these files has this text. */
export async function untilMounted(
  kube: Kube,
  namespace: string,
  files: readonly MountedAt[],
  text: string,
): Promise<void> {
  await Promise.all(
    files.map(({ pod, path }) =>
      eventually(
        `${path} of pod ${pod} is the new one`,
        async () => {
          // Each time another value: the one before may have been looked at too soon.
          const annotations = { 'kvcache.dev/e2e-looked': `${Date.now()}` };
          await kube.patch('Pod', pod, namespace, { metadata: { annotations } });
          const found = await kube.kubectl(['exec', '-n', namespace, pod, '--', 'cat', path]);
          return found.trim() === text.trim() || notYet('the file has another text');
        },
        { intervalMs: 1_000 },
      ),
    ),
  );
}
