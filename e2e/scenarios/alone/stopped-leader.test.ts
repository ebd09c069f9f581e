/**
 * The leading operator is stopped for longer than its lease, in the middle of its work, and goes on when another one leads:
 * it writes nothing of what it had in mind, and ends.
 */
import { afterAll, expect, test } from 'vitest';
import { exitCodes } from '../../../process/exit-codes.ts';
import type { Cache } from '../../harness/cache.ts';
import { installChart, untilOperators } from '../../harness/chart.ts';
import { operatorNamespace } from '../../harness/environment.ts';
import { signalPod } from '../../harness/faults.ts';
import { type KubeObject, type Pod, restarts } from '../../harness/objects.ts';
import { lastExitCode, leaderRecord, leadingOperator } from '../../harness/operators.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, holds, notYet } from '../../harness/wait.ts';

const scenario = useScenario('stopped-leader');
/** Each pod is stopped once: after that, the kubelet’s back-off would be what is waited for. */
const rounds = 2;
const wish = 'example.com/wish';
let cache: Cache;

afterAll(() => installChart(scenario.kube, scenario.environment.images));

async function wishFor(value: string): Promise<void> {
  await cache.edit({ service: { annotations: { [wish]: value } } });
}

test('two operators are ready, and one of them leads', async () => {
  const { kube, environment } = scenario;
  await installChart(kube, environment.images, ['--set', 'operator.replicas=2']);
  await untilOperators(kube, 2);
  cache = await scenario.cache('cache', { shards: { replicas: 1 } });
  await cache.untilSettled();
  await leadingOperator(kube);
});

test.each(Array.from({ length: rounds }, (_, index) => index))(
  'round %i: a stopped leader writes nothing',
  async (round) => {
    const { kube, namespace } = scenario;
    const former = await leadingOperator(kube);
    const transitions = (await leaderRecord(kube)).leaseTransitions ?? 0;
    // Wishes that change all the time: wherever it is stopped, it has something in mind.
    for (let count = 0; count < 20; count += 1) await wishFor(`${round}-${count}`);
    await signalPod(kube, operatorNamespace, former.metadata.name, 'SIGSTOP');
    const leader = await leadingOperator(kube, former);
    expect((await leaderRecord(kube)).leaseTransitions).toBe(transitions + 1);

    await wishFor(`${round}-last`);
    await eventually('the new leader has done the last wish', async () => {
      const { metadata } = await kube.get<KubeObject>('Service', 'cache', namespace);
      return metadata.annotations?.[wish] === `${round}-last` || notYet(metadata.annotations);
    });
    await cache.untilSettled();
    const seen: (string | undefined)[] = [];
    const stop = new AbortController();
    kube.watch('Service', namespace, { fields: 'metadata.name=cache' }, stop.signal, ({ metadata }) => {
      seen.push(metadata.annotations?.[wish]);
    });
    await signalPod(kube, operatorNamespace, former.metadata.name, 'SIGCONT');
    await eventually('the former leader has ended', async () => {
      const pod = await kube.get<Pod>('Pod', former.metadata.name, operatorNamespace);
      return restarts(pod) > restarts(former) || notYet(pod.status);
    });
    expect(await lastExitCode(kube, former.metadata.name)).not.toBe(exitCodes.fault);
    await untilOperators(kube, 2);
    await holds('the last wish stands', 5_000, async () => {
      if (seen.some((value) => value !== `${round}-last`)) throw new Error(`the Service was set to ${seen.join(', ')}`);
    });
    stop.abort();
    expect(seen.length).toBeGreaterThan(0);
    expect((await leadingOperator(kube)).metadata.name).toBe(leader.metadata.name);
  },
);

test('an operator that is asked to end hands over at once', async () => {
  const { kube } = scenario;
  const former = await leadingOperator(kube);
  await kube.delete('Pod', former.metadata.name, operatorNamespace);
  // Faster than the lease would end by itself.
  await eventually('another one leads', () => leadingOperator(kube, former), { timeoutMs: 10_000 });
  await untilOperators(kube, 2);
  await wishFor('afterwards');
  await cache.untilSettled();
});
