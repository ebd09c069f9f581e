/** `kvcache dev`: a local cluster from start to Ctrl-C. */
import { constants } from 'node:os';
import { KvcacheError, messageOf } from '../../errors.ts';
import type { LoadedSettings } from '../../settings/load.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import { onStopRequests } from '../../process/serve.ts';
import type { Terminal } from '../terminal.ts';
import { type ClusterOptions, LocalCluster } from './cluster.ts';
import { printReadyScreen } from './screen.ts';

/** Runs until it is told to end, which is the process's end. Rejects where the cluster does not become ready. */
export async function runDev({ settings, given, sources }: LoadedSettings, terminal: Terminal): Promise<void> {
  const began = performance.now();
  const say = (sentence: string): void => terminal.warn(`kvcache: ${sentence}`);
  const host = given['grpc.host'] ?? '127.0.0.1';
  const portBase = settings['dev.port_base'];
  const stopping = new AbortController();
  let cluster: LocalCluster | undefined;
  const stop = async (): Promise<void> => {
    say('stopping: flushing to Blob and ending all processes');
    stopping.abort();
    // One that is still starting gives up and says so by rejecting, below.
    if (cluster === undefined) return;
    try {
      await cluster.stop();
      process.exit(exitCodes.ok);
    } catch (error) {
      say(messageOf(error));
      process.exit(exitCodes.failed);
    }
  };
  onStopRequests((reason) => {
    if (!stopping.signal.aborted) {
      void stop();
    } else if (reason !== 'parent gone') {
      // Children of a cluster that is still starting notice that this process is gone.
      cluster?.kill();
      process.exit(128 + constants.signals[reason]);
    }
  });

  cluster = await startCluster({
    portBase,
    dataPath: settings['dev.path'],
    shards: settings['dev.shards'],
    isShardsGiven: sources.get('dev.shards')?.kind !== 'default',
    host,
    shutdownGraceMs: settings['shutdown.grace'],
    given,
    signal: stopping.signal,
    say,
  });
  if (cluster === undefined) process.exit(exitCodes.ok);
  if (stopping.signal.aborted) await stop();
  else printReadyScreen(terminal, cluster, { host, portBase, tookMs: performance.now() - began });
}

/** Undefined where it was told to stop while starting. */
async function startCluster(options: ClusterOptions): Promise<LocalCluster | undefined> {
  try {
    return await LocalCluster.start(options);
  } catch (error) {
    if (error instanceof KvcacheError && error.code === 'SHUTDOWN') return undefined;
    throw error;
  }
}
