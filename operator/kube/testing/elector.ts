/**
 * A child process that does nothing but lead and write: `node elector.ts KUBECONFIG NAMESPACE IDENTITY`.
 *
 * While it leads it writes its name into the ConfigMap `state` as fast as it can, over several connections at once, through
 * a fenced client. Says `elected` on its standard output, and ends with 3 when it has lost the lease.
 */
import { pino } from 'pino';
import { onStopRequests } from '../../../process/serve.ts';
import { KubeClient } from '../client.ts';
import { kubeconfigCredentials } from '../credentials.ts';
import { isNotLeader } from '../kube-error.ts';
import { LeaderElection } from '../lease.ts';
import { configMaps } from '../resources.ts';

const [, , kubeconfig, namespace = '', identity = ''] = process.argv;
const client = new KubeClient({ credentials: await kubeconfigCredentials({ file: kubeconfig }) });
const election = new LeaderElection({
  client,
  namespace,
  name: 'operator',
  identity,
  log: pino({ level: 'silent' }),
  durationMs: 3_000,
  renewDeadlineMs: 2_000,
  retryIntervalMs: 300,
  writeMarginMs: 300,
  onLost: () => process.exit(3),
});

const fenced = client.fencedBy(election);
const state = { namespace, name: 'state' };
const stopping = new AbortController();

async function write(): Promise<void> {
  for (let count = 0; !stopping.signal.aborted; count += 1) {
    const body = { metadata: state, data: { writer: identity, count: String(count) } };
    try {
      await fenced.apply(configMaps, body, { known: null, attemptsMax: 1 });
    } catch (error) {
      if (isNotLeader(error)) return;
    }
  }
}

let writers: Promise<unknown> = Promise.resolve();
onStopRequests(() => {
  stopping.abort();
  void writers.then(() => election.release()).then(() => process.exit(0));
});

election.start();
if (await election.whenElected()) {
  process.stdout.write('elected\n');
  writers = Promise.all([write(), write(), write(), write()]);
}
