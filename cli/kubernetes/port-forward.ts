/** A port of this machine that leads to a Service of the cluster, for as long as a command takes. */
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { type Kubectl, type KubectlChild, kubectlError, startFault } from './kubectl.ts';

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface PortForward extends AsyncDisposable {
  readonly port: number;
}

/**
 * `service/NAME` and the name of its port. Resolves when the port is open; throws KvcacheError with kubectl's words
 * where it does not come to that.
 */
export async function forwardPort(kubectl: Kubectl, target: string, port: string): Promise<PortForward> {
  const child = kubectl.start(['port-forward', '--address=127.0.0.1', target, `:${port}`]);
  const endWithUs = endTogether(child);
  try {
    return { port: await openPort(child), [Symbol.asyncDispose]: () => end(child, endWithUs) };
  } catch (error) {
    await end(child, endWithUs);
    throw error;
  }
}

async function openPort(child: KubectlChild): Promise<number> {
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString('utf8')));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', (error) => reject(startFault(error)));
  child.once('close', () => reject(kubectlError(words, 'kubectl port-forward ended before it began')));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, port] = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line) ?? [];
    if (port !== undefined) resolve(Number(port));
  });
  return promise;
}

/** A signal that ends this process must end the child too. */
function endTogether(child: KubectlChild): Disposable {
  const listeners = endSignals.map((signal) => {
    const listener = (): void => {
      child.kill();
      process.exit(128 + constants.signals[signal]);
    };
    process.once(signal, listener);
    return [signal, listener] as const;
  });
  return {
    [Symbol.dispose]() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}

async function end(child: KubectlChild, endWithUs: Disposable): Promise<void> {
  endWithUs[Symbol.dispose]();
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = once(child, 'close');
  child.kill();
  await closed;
}
