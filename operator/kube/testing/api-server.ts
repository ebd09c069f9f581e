/**
 * A real kube-apiserver and a real etcd as child processes, for tests: no cluster, no nodes, no controllers, up in seconds.
 *
 * It stores, validates, applies, watches and compacts as the real thing does, because it is. Nothing is scheduled or
 * garbage-collected. It can be stopped and started on the same port and data, and frozen (SIGSTOP), which to its clients
 * looks like a network that swallows everything.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../errors.ts';
import { freePort } from '../../../testing/free-port.ts';
import { sleep } from '../backoff.ts';
import { KubeClient } from '../client.ts';
import { type Credentials, fixedCredentials } from '../credentials.ts';
import { namespaces } from '../resources.ts';
import { findKubeBinaries, type KubeBinaries } from './binaries.ts';

const startTimeoutMs = 90_000;

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await exited;
}

export class ApiServer {
  readonly folder: string;
  readonly port: number;
  readonly #binaries: KubeBinaries;
  readonly #etcdPorts: { readonly client: number; readonly peer: number };
  readonly #token = randomBytes(16).toString('hex');
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(binaries: KubeBinaries, folder: string, ports: readonly [number, number, number]) {
    this.#binaries = binaries;
    this.folder = folder;
    this.port = ports[0];
    this.#etcdPorts = { client: ports[1], peer: ports[2] };
  }

  /** Undefined, and a line that says why, where this machine has no binaries. */
  static async start(): Promise<ApiServer | undefined> {
    const binaries = await findKubeBinaries();
    if ('missing' in binaries) {
      process.stderr.write(`skipping tests against a real kube-apiserver: ${binaries.missing}\n`);
      return undefined;
    }
    const folder = await mkdtemp(join(tmpdir(), 'kvcache-api-server-'));
    const server = new ApiServer(binaries, folder, [await freePort(), await freePort(), await freePort()]);
    try {
      await server.#prepare();
      server.#startEtcd();
      await server.startServer();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Of an administrator; `port` for a proxy in front. */
  async credentials(port = this.port): Promise<Credentials> {
    const ca = await readFile(join(this.folder, 'certificates', 'apiserver.crt'));
    return fixedCredentials(`https://127.0.0.1:${port}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      tls: { ca },
    });
  }

  async client(port = this.port): Promise<KubeClient> {
    return new KubeClient({ credentials: await this.credentials(port) });
  }

  /** For processes: a kubeconfig file with the same credentials. */
  async writeKubeconfig(port = this.port): Promise<string> {
    const ca = await readFile(join(this.folder, 'certificates', 'apiserver.crt'), 'base64');
    const file = join(this.folder, `kubeconfig-${port}`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': ca } }],
      users: [{ name: 'admin', user: { token: this.#token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  }

  /** A new namespace with a name of its own. */
  async createNamespace(client: KubeClient): Promise<string> {
    const name = `test-${randomBytes(4).toString('hex')}`;
    await client.create(namespaces, { metadata: { name } });
    return name;
  }

  /** Starts kube-apiserver (again), on the same port and data; resolves when it is ready. */
  async startServer(): Promise<void> {
    const certificates = join(this.folder, 'certificates');
    this.#server = this.#spawn(this.#binaries.apiServer, 'kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPorts.client}`,
      `--secure-port=${this.port}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--cert-dir=${certificates}`,
      `--token-auth-file=${join(this.folder, 'tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(this.folder, 'service-account.pem')}`,
      `--service-account-signing-key-file=${join(this.folder, 'service-account.pem')}`,
      // There is no controller that would make the default service account of a namespace.
      '--disable-admission-plugins=ServiceAccount',
      '--endpoint-reconciler-type=none',
      '--etcd-compaction-interval=0',
    ]);
    await this.#whenReady();
  }

  async stopServer(): Promise<void> {
    await end(this.#server);
  }

  /** Answers nothing and resets nothing until `thaw`. */
  freeze(): void {
    this.#server?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#server?.kill('SIGCONT');
  }

  /** Forgets all history up to now, so that older versions are `410 Gone` to a server that starts afterwards. */
  async compact(): Promise<void> {
    const base = `http://127.0.0.1:${this.#etcdPorts.client}/v3/kv`;
    const range = await fetch(`${base}/range`, { method: 'POST', body: JSON.stringify({ key: 'AA==' }) });
    const { header } = (await range.json()) as { header: { revision: string } };
    const body = JSON.stringify({ revision: header.revision, physical: true });
    const answer = await fetch(`${base}/compaction`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`etcd did not compact: ${await answer.text()}`);
  }

  async stop(): Promise<void> {
    await end(this.#server);
    await end(this.#etcd);
    await rm(this.folder, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(join(this.folder, 'service-account.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    await writeFile(join(this.folder, 'tokens.csv'), `${this.#token},admin,admin,system:masters\n`);
  }

  #startEtcd(): void {
    const { client, peer } = this.#etcdPorts;
    this.#etcd = this.#spawn(this.#binaries.etcd, 'etcd', [
      `--data-dir=${join(this.folder, 'etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
      '--unsafe-no-fsync',
    ]);
  }

  #spawn(command: string, name: string, parameters: readonly string[]): ChildProcess {
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: 'a' });
    const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('exit', () => log.end());
    return child;
  }

  async #whenReady(): Promise<void> {
    const endsAtMs = performance.now() + startTimeoutMs;
    let last: unknown = 'no attempt';
    while (performance.now() < endsAtMs) {
      if (this.#server?.exitCode !== null) break;
      try {
        const client = await this.client();
        const options = { timeoutMs: 2_000, attemptsMax: 1 } as const;
        // The namespace appears when the server's own first tasks are done.
        const found = await client.get(namespaces, { name: 'default' }, options);
        client.close();
        if (found) return;
        last = 'it has no namespace named default yet';
      } catch (error) {
        last = error;
      }
      await sleep(100);
    }
    const log = await readFile(join(this.folder, 'kube-apiserver.log'), 'utf8');
    throw new Error(`kube-apiserver is not ready (${messageOf(last)}); its log ends:\n${log.slice(-3_000)}`);
  }
}
