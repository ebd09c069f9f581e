/**
 * The API server is away, and then behind a network that swallows everything: clients of a cache notice neither, and the
 * operator goes on as soon as it can. It may end once for having lost its lease, which is no crash, and does not storm.
 *
 * What is swallowed is what the operator sends. Were kubelets cut off as well, the control plane would take their nodes for
 * lost after its grace period and every Service for empty, with or without an operator.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../../process/exit-codes.ts';
import type { Cache } from '../../harness/cache.ts';
import { operatorPods, untilOperators } from '../../harness/chart.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import {
  controlPlaneOf,
  cutFromApiServer,
  endCut,
  startApiServer,
  stopApiServer,
} from '../../harness/control-plane.ts';
import { type Pod, restarts } from '../../harness/objects.ts';
import { lastExitCode, operatorMetrics, sumOf } from '../../harness/operators.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('api-server-away');
const { kindCluster } = scenario.environment;
const awayMs = 30_000;
/** A dozen watches and a lease that are tried again with growing delays stay far below it. */
const requestsPerSecondMax = 10;
let cache: Cache;
let client: ClientPod;
let controlPlane: string;
let cut: Pod | undefined;

afterAll(async () => {
  if (controlPlane === undefined) return;
  await startApiServer(scenario.kube, controlPlane);
  if (cut !== undefined) await endCut(cut);
});

async function requests(): Promise<number> {
  const [pod] = await operatorPods(scenario.kube);
  return sumOf(await operatorMetrics(scenario.kube, pod!), 'kvcache_operator_api_requests_total');
}

describe.runIf(kindCluster !== undefined)('on a kind cluster', () => {
  test('a cache is settled and under load', async () => {
    controlPlane = await controlPlaneOf(kindCluster!);
    cache = await scenario.cache('cache', { shards: { replicas: 2 }, routers: { unavailableReads: 'error' } });
    await cache.untilSettled();
    client = await scenario.client(cache);
    await client.startLoad({ attempts: 1 });
  });

  const troubles = [
    {
      what: 'refuses connections',
      begin: () => stopApiServer(scenario.kube, controlPlane),
      end: () => startApiServer(scenario.kube, controlPlane),
    },
    {
      what: 'is behind a network that swallows what the operator sends',
      begin: async (operator: Pod) => {
        await cutFromApiServer(operator);
        cut = operator;
      },
      end: async (operator: Pod) => {
        await endCut(operator);
        cut = undefined;
      },
    },
  ];
  test.each(troubles)('the API server $what for 30 seconds, and clients see nothing of it', async ({ begin, end }) => {
    const { kube } = scenario;
    const [operator] = await untilOperators(kube, 1);
    const before = { restarts: restarts(operator!), requests: await requests(), atMs: performance.now() };
    await begin(operator!);
    await delay(awayMs);
    await end(operator!);

    // The operator is at work again: an edit becomes true.
    await cache.edit({ service: { annotations: { 'example.com/after': String(before.atMs) } } });
    await cache.untilSettled();
    const [after] = await untilOperators(kube, 1);
    expect(after!.metadata.uid).toBe(operator!.metadata.uid);
    const ended = restarts(after!) - before.restarts;
    expect(ended).toBeLessThanOrEqual(1);
    if (ended > 0) expect(await lastExitCode(kube, after!.metadata.name)).not.toBe(exitCodes.fault);
    // A new process counts from zero.
    const made = (await requests()) - (ended > 0 ? 0 : before.requests);
    expect(made / ((performance.now() - before.atMs) / 1_000)).toBeLessThan(requestsPerSecondMax);

    const { faults, violations } = await client.report({ reset: true });
    expect({ faults, violations }).toEqual({ faults: {}, violations: [] });
  });

  test('nothing was lost and no pod of the cache was restarted', async () => {
    await client.stopLoad();
    expect(await client.checkLoad()).toEqual([]);
    expect((await cache.pods()).map(restarts)).toEqual([0, 0, 0]);
  });
});
