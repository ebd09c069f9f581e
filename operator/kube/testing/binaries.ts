/**
 * Where tests find `etcd` and `kube-apiserver`.
 *
 *   KVCACHE_KUBE_BINARIES   a folder that holds both, as those of kubebuilder's envtest do
 *   else                    Docker, with a kindest/node image (KVCACHE_KUBE_IMAGE, or any that is there), from which both
 *                           are taken once and kept in the temporary folder
 *
 * A machine with neither skips these tests, and says so.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../../errors.ts';

const run = promisify(execFile);

export interface KubeBinaries {
  readonly etcd: string;
  readonly apiServer: string;
}

function inFolder(folder: string): KubeBinaries | undefined {
  const etcd = join(folder, 'etcd');
  const apiServer = join(folder, 'kube-apiserver');
  return existsSync(etcd) && existsSync(apiServer) ? { etcd, apiServer } : undefined;
}

/** Node images carry the images of the control plane as layers: these have the executables. */
const unpack = `
cd /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256
for wanted in etcd kube-apiserver; do
  for layer in *; do
    if tar tf "$layer" 2>/dev/null | grep -q "^\\(./\\)\\?usr/local/bin/$wanted\\$"; then
      tar xf "$layer" -C /out --strip-components=3 --wildcards '*usr/local/bin/*' && break
    fi
  done
done
chmod -R a+rX /out`;

async function findImage(): Promise<{ readonly id: string; readonly name: string } | undefined> {
  const wanted = process.env['KVCACHE_KUBE_IMAGE'] ?? 'kindest/node';
  const { stdout } = await run('docker', ['images', '--format', '{{.ID}} {{.Repository}}:{{.Tag}}', wanted]);
  const [id, name] = (stdout.split('\n')[0] ?? '').split(' ');
  return id && name ? { id, name } : undefined;
}

/** The paths of both, or why there are none. */
export async function findKubeBinaries(): Promise<KubeBinaries | { readonly missing: string }> {
  const folder = process.env['KVCACHE_KUBE_BINARIES'];
  if (folder) return inFolder(folder) ?? { missing: `KVCACHE_KUBE_BINARIES=${folder} lacks etcd or kube-apiserver` };
  try {
    const image = await findImage();
    if (!image) return { missing: 'no KVCACHE_KUBE_BINARIES and no kindest/node image' };
    const kept = join(tmpdir(), `kvcache-kube-${image.id}`);
    const found = inFolder(kept);
    if (found) return found;
    const fresh = await mkdtemp(join(tmpdir(), 'kvcache-kube-unpacking-'));
    const parameters = ['run', '--rm', '-v', `${fresh}:/out`, '--entrypoint', 'sh', image.name, '-c', unpack];
    await run('docker', parameters, { timeout: 120_000 });
    await mkdir(tmpdir(), { recursive: true });
    try {
      await rename(fresh, kept);
    } catch {
      // Another test process was faster; its files are the same.
      await rm(fresh, { recursive: true, force: true });
    }
    return inFolder(kept) ?? { missing: `${image.name} holds no etcd or no kube-apiserver` };
  } catch (error) {
    return { missing: `no KVCACHE_KUBE_BINARIES and no usable Docker (${messageOf(error).split('\n')[0]})` };
  }
}
