/**
 * The images of the suite: the product's and Azurite's, from the Dockerfile at the root, and the suite's own tools (the
 * load that keeps books, the metrics source), which is the product's image and a few files more.
 *
 * A tag is the content's own (the image's id), so that a node which has the tag has these very bytes, and a Deployment
 * that gets another build gets another reference.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { run } from './process.ts';

export interface Images {
  readonly product: string;
  readonly azurite: string;
  readonly tools: string;
}

export const rootFolder = resolve(import.meta.dirname, '../..');
export const chartFolder = join(rootFolder, 'charts', 'kvcache');
const buildTimeoutMs = 900_000;
/** What `.dockerignore` keeps out of the product's image and the tools need. */
const toolsContext = ['acceptance', 'e2e/pods', 'e2e/image'];

export async function buildImages(): Promise<Images> {
  const product = await built('kvcache-e2e', ['.']);
  const azurite = await built('kvcache-e2e-azurite', ['--target', 'azurite', '.']);
  return { product, azurite, tools: await builtTools(product) };
}

async function built(repository: string, args: readonly string[]): Promise<string> {
  const id = await run('docker', ['build', '--quiet', ...args], { cwd: rootFolder, timeoutMs: buildTimeoutMs });
  return tagged(repository, id.trim());
}

/** The context goes in as a tar, for `.dockerignore` is the product's. */
async function builtTools(product: string): Promise<string> {
  const tar = spawn('tar', ['-C', rootFolder, '-cf', '-', ...toolsContext], { stdio: ['ignore', 'pipe', 'inherit'] });
  const args = ['build', '--quiet', '--build-arg', `PRODUCT=${product}`, '-f', 'e2e/image/Dockerfile', '-'];
  const docker = spawn('docker', args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: buildTimeoutMs });
  tar.stdout.pipe(docker.stdin);
  let out = '';
  let err = '';
  docker.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  docker.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(docker, 'close')) as [number | null];
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}:\n${err}${out}`);
  return tagged('kvcache-e2e-tools', out.trim());
}

/** Names the image by its content; answers the reference. */
async function tagged(repository: string, id: string): Promise<string> {
  const reference = `${repository}:${id.replace(/^sha256:/u, '').slice(0, 12)}`;
  await run('docker', ['tag', id, reference]);
  return reference;
}
