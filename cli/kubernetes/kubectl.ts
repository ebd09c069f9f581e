/**
 * kubectl as a child process: how the plugin reaches a cluster.
 *
 * Whoever types `kubectl kvcache` has a kubectl that is set up: contexts, credential plugins, proxies. Asking it keeps
 * all of that as it is. Rejected: a Kubernetes client of our own, which would have to do each of them again.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { KvcacheError, messageOf } from '../../errors.ts';
import { kubeAnswerBytesMax, kubeErrorTextCharsMax } from '../../limits.ts';

/** The flags that choose cluster and namespace, as kubectl has them. */
export interface KubeFlags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
}

/** A child without input. */
export type KubectlChild = ChildProcessByStdio<null, Readable, Readable>;

const installHint = 'install it (https://kubernetes.io/docs/tasks/tools/), and put it on the PATH';
const noApiHint = 'this cluster does not know KVCaches; install the operator (docs/kubernetes.md says how)';

export class Kubectl {
  readonly #flags: readonly string[];

  constructor({ namespace, context, kubeconfig }: KubeFlags) {
    this.#flags = Object.entries({ namespace, context, kubeconfig }).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}=${value}`],
    );
  }

  /** What kubectl prints. Throws KvcacheError with its words where it fails. */
  async run(args: readonly string[]): Promise<string> {
    const child = this.start(args);
    const ended = this.#ended(child);
    // Until it is awaited, its rejection belongs to nobody.
    ended.catch(() => undefined);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > kubeAnswerBytesMax) {
        child.kill();
        throw new KvcacheError('TOOLARGE', `kubectl ${args[0]} answers with more than ${kubeAnswerBytesMax} bytes`);
      }
      chunks.push(chunk);
    }
    await ended;
    return Buffer.concat(chunks).toString('utf8');
  }

  async json<Result>(args: readonly string[]): Promise<Result> {
    return JSON.parse(await this.run([...args, '--output=json'])) as Result;
  }

  /** The object of a name now, and again whenever it changes, until the caller or the API server ends it. */
  async *watch<Result>(type: string, name: string, signal: AbortSignal): AsyncGenerator<Result, void, undefined> {
    const child = this.start(['get', type, name, '--watch', '--output=jsonpath={@}{"\\n"}']);
    const ended = this.#ended(child);
    ended.catch(() => undefined);
    const stop = (): boolean => child.kill();
    signal.addEventListener('abort', stop, { once: true });
    let isLeft = true;
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        if (line !== '') yield JSON.parse(line) as Result;
      }
      isLeft = signal.aborted;
    } finally {
      signal.removeEventListener('abort', stop);
      // A child that was told to end has nothing to say.
      if (isLeft) {
        child.kill();
        await ended.catch(() => undefined);
      }
    }
    if (!isLeft) await ended;
  }

  /** Starts it; standard error belongs to the caller. */
  start(args: readonly string[]): KubectlChild {
    return spawn('kubectl', [...args, ...this.#flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Resolves when the child has ended well; rejects with its words. Must be called as soon as it has started. */
  async #ended(child: KubectlChild): Promise<void> {
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (words.length < kubeErrorTextCharsMax) words += chunk.toString('utf8');
    });
    const [code] = (await once(child, 'close').catch((error: unknown) => {
      throw startFault(error);
    })) as [number | null];
    if (code !== 0) throw kubectlError(words, `kubectl ended with exit code ${code}`);
  }
}

/** Why a child did not even start. */
export function startFault(error: unknown): KvcacheError {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new KvcacheError('CONFIG', isMissing ? `kubectl is not there; ${installHint}` : messageOf(error), {
    cause: error,
  });
}

/** kubectl's own words as one of our errors. */
export function kubectlError(words: string, otherwise: string): KvcacheError {
  const lines = words.split('\n').filter((line) => line.trim() !== '' && !/^[EIW]\d{4} /.test(line));
  const text =
    lines.join('\n').replace(/^error: |^Error from server \(\w+\): |^Error in configuration: /gim, '') || otherwise;
  if (/have a resource type "kvcaches|no matches for kind "KVCache"/.test(text))
    return new KvcacheError('CONFIG', noApiHint);
  const isAway = /connection to the server|Unable to connect|no such host|i\/o timeout|refused/.test(text);
  return new KvcacheError(isAway ? 'UNAVAILABLE' : 'ERR', text);
}
