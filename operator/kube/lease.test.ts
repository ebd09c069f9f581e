import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { Informer } from './informer.ts';
import { LeaderElection, type LeaderElectionOptions, microTime, type Moment } from './lease.ts';
import { configMaps, leases } from './resources.ts';
import { ApiServer } from './testing/api-server.ts';
import { Network } from './testing/network.ts';

const log = pino({ level: 'silent' });
const server = await ApiServer.start();
const closers: (() => unknown)[] = [];
const quick = { durationMs: 900, renewDeadlineMs: 600, retryIntervalMs: 50, writeMarginMs: 100 };

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

afterAll(() => server?.stop());

/** A clock that runs as the real one does, and that a test may set. */
class TestClock {
  monotonicOffsetMs = 0;
  wallOffsetMs = 0;

  readonly now = (): Moment => ({
    monotonicMs: performance.now() + this.monotonicOffsetMs,
    wallMs: Date.now() + this.wallOffsetMs,
  });
}

describe.skipIf(!server)('against a real kube-apiserver', () => {
  let client: KubeClient;
  let namespace: string;

  beforeAll(async () => {
    client = await server!.client();
  });

  function elect(identity: string, options: Partial<LeaderElectionOptions> = {}): LeaderElection & { lost: string[] } {
    const lost: string[] = [];
    const onLost = (reason: string): void => void lost.push(reason);
    const election = new LeaderElection({
      client,
      namespace,
      name: 'operator',
      identity,
      log,
      ...quick,
      onLost,
      ...options,
    });
    closers.push(() => election.release());
    election.start();
    return Object.assign(election, { lost });
  }

  async function start(): Promise<void> {
    namespace = await server!.createNamespace(client);
  }

  const record = async () => (await client.get(leases, { namespace, name: 'operator' }))!;

  test('of three candidates one leads, and another follows at once when it releases', async () => {
    await start();
    // So long that none follows but for the release, which may take its time on a busy machine.
    const patient = { durationMs: 60_000, renewDeadlineMs: 30_000 };
    const candidates = ['a', 'b', 'c'].map((identity) => elect(identity, patient));
    const winner = await Promise.race(candidates.map((each) => each.whenElected().then(() => each)));
    expect(candidates.filter(({ isLeader }) => isLeader)).toEqual([winner]);
    expect((await record()).spec).toMatchObject({ leaseDurationSeconds: 60, leaseTransitions: 0 });
    await winner.release();
    expect(winner.remainingMs()).toBe(0);
    const others = candidates.filter((each) => each !== winner);
    const next = await Promise.race(others.map((each) => each.whenElected().then(() => each)));
    expect(next.isLeader).toBe(true);
    expect((await record()).spec?.leaseTransitions).toBe(1);
    expect(winner.lost).toEqual([]);
  }, 120_000);

  test('a leader renews, and the fence stays open', async () => {
    await start();
    const leader = elect('a');
    await leader.whenElected();
    await expect.poll(() => leader.statistics.renewals, { timeout: 10_000 }).toBeGreaterThan(5);
    expect(leader.remainingMs()).toBeGreaterThan(0);
    expect(leader.state).toBe('leader');
  });

  test('a renewal does not wait behind the requests that the same process has under way', async () => {
    await start();
    const leader = elect('a', { durationMs: 9_000, renewDeadlineMs: 6_000 });
    await leader.whenElected();
    const busy = new AbortController();
    const wait = { signal: busy.signal, timeoutMs: 60_000 };
    const requests = Array.from({ length: 1_000 }, () => client.get(configMaps, { namespace, name: 'x' }, wait));
    const { renewals } = leader.statistics;
    // A second of renewals and more, while the requests wait for their turn.
    await expect.poll(() => leader.statistics.renewals, { timeout: 20_000 }).toBeGreaterThan(renewals + 20);
    busy.abort();
    const outcomes = await Promise.allSettled(requests);
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
    expect(leader.state).toBe('leader');
  });

  test('whoever wrote times of another century into the record is believed as long as the record keeps changing', async () => {
    await start();
    const spec = (year: number, leaseTransitions: number) => ({
      holderIdentity: 'elsewhere',
      leaseDurationSeconds: 1,
      leaseTransitions,
      renewTime: microTime(new Date(`${year}-01-01`)),
    });
    const metadata = { namespace, name: 'operator' };
    await client.create(leases, { metadata, spec: spec(1999, 0) });
    const clock = new TestClock();
    const candidate = elect('a', { now: clock.now });
    for (const [index, year] of [1999, 2199, 2000, 2100].entries()) {
      await client.patch(leases, metadata, { spec: spec(year, index + 1) });
      await expect.poll(() => candidate.statistics.transitions).toBe(index + 1);
      clock.monotonicOffsetMs += 500;
      clock.wallOffsetMs += 500;
      expect(candidate.state).toBe('candidate');
    }
    await client.patch(leases, metadata, { spec: spec(2199, 9) });
    await expect.poll(() => candidate.statistics.transitions).toBe(9);
    clock.monotonicOffsetMs += 1_000;
    clock.wallOffsetMs += 1_000;
    expect(await candidate.whenElected()).toBe(true);
  });

  test('a leader that cannot reach the server gives up before its lease ends, and tells it once', async () => {
    await start();
    const network = await Network.to(server!.port);
    const cut = await server!.client(network.port);
    closers.push(
      () => cut.close(),
      () => network.close(),
    );
    const leader = elect('a', { client: cut });
    await leader.whenElected();
    const follower = elect('b');
    network.mode = 'swallow';
    await expect.poll(() => leader.lost, { timeout: 10_000 }).toEqual(['the lease was not renewed within 600 ms']);
    expect(leader.state).toBe('lost');
    expect(leader.remainingMs()).toBe(0);
    expect(follower.state).toBe('candidate');
    expect(await follower.whenElected()).toBe(true);
    expect(leader.lost).toHaveLength(1);
  });

  test('a leader that finds another holder in the record is lost at once', async () => {
    await start();
    const leader = elect('a');
    await leader.whenElected();
    await client.patch(leases, { namespace, name: 'operator' }, { spec: { holderIdentity: 'usurper' } });
    await expect.poll(() => leader.lost, { timeout: 10_000 }).toEqual(['the lease is held by usurper']);
  });

  test('a leader whose record was deleted writes it anew', async () => {
    await start();
    const leader = elect('a');
    await leader.whenElected();
    const { metadata } = await record();
    await client.delete(leases, { namespace, name: 'operator' });
    await expect.poll(async () => (await record())?.metadata.uid ?? metadata.uid).not.toBe(metadata.uid);
    expect((await record()).spec?.holderIdentity).toBe('a');
    expect(leader.isLeader).toBe(true);
  });

  test.each([
    ['the wall clock is set forward', { monotonicMs: 0, wallMs: 5_000 }],
    ['the machine was suspended, which the monotonic clock did not see', { monotonicMs: 0, wallMs: 60_000 }],
    ['the wall clock is set back while time passes', { monotonicMs: 5_000, wallMs: -3_600_000 }],
  ])('the fence falls where %s', async (_, { monotonicMs, wallMs }) => {
    await start();
    const clock = new TestClock();
    const leader = elect('a', { now: clock.now });
    await leader.whenElected();
    expect(leader.remainingMs()).toBeGreaterThan(0);
    clock.monotonicOffsetMs += monotonicMs;
    clock.wallOffsetMs += wallMs;
    expect(leader.remainingMs()).toBeLessThanOrEqual(0);
    await expect(client.fencedBy(leader).patch(configMaps, { namespace, name: 'x' }, {})).rejects.toMatchObject({
      reason: 'NotLeader',
    });
    await expect.poll(() => leader.state, { timeout: 10_000 }).toBe('lost');
  });

  test('a candidate does not take a clock that jumps for time that has passed', async () => {
    await start();
    const holder = elect('a', { durationMs: 60_000 });
    await holder.whenElected();
    const clock = new TestClock();
    const candidate = elect('b', { now: clock.now });
    await expect.poll(() => candidate.holder).toBe('a');
    clock.wallOffsetMs += 3_600_000;
    const { renewals } = holder.statistics;
    await expect.poll(() => holder.statistics.renewals, { timeout: 10_000 }).toBeGreaterThan(renewals + 5);
    expect(candidate.state).toBe('candidate');
    expect(holder.isLeader).toBe(true);
  });

  test('a leader that is stopped beyond its lease begins no write when it goes on, and ends', async () => {
    await start();
    const kubeconfig = await server!.writeKubeconfig();
    const spawnElector = (identity: string): ChildProcess => {
      const program = fileURLToPath(new URL('testing/elector.ts', import.meta.url));
      const child = spawn(process.execPath, [program, kubeconfig, namespace, identity], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      closers.push(() => child.kill('SIGKILL'));
      return child;
    };
    const writes: { readonly writer: string; readonly version: number }[] = [];
    const informer = new Informer({ client, resource: configMaps, namespaces: [namespace], log });
    closers.push(() => informer.stop());
    informer.subscribe(({ object }) => {
      writes.push({ writer: object.data?.['writer'] ?? '', version: Number(object.metadata.resourceVersion) });
    });
    informer.start();

    let leader = spawnElector('elector-0');
    await once(leader.stdout!, 'data');
    for (let round = 1; round <= 3; round += 1) {
      const former = `elector-${round - 1}`;
      await expect.poll(() => writes.some(({ writer }) => writer === former), { timeout: 10_000 }).toBe(true);
      const follower = spawnElector(`elector-${round}`);
      leader.kill('SIGSTOP');
      await once(follower.stdout!, 'data');
      // What it had sent by then may have waited in the server, longer than the lease where that is busy: from here on no more.
      const { metadata } = await client.create(configMaps, { metadata: { namespace, name: `resumed-${round}` } });
      const resumed = Number(metadata.resourceVersion);
      const exited = once(leader, 'exit');
      leader.kill('SIGCONT');
      expect(await exited).toEqual([3, null]);
      const newest = `elector-${round}`;
      await expect.poll(() => writes.at(-1)?.writer, { timeout: 10_000 }).toBe(newest);
      // It may have been stopped between the check of one write and its bytes, which are in one turn; no other leaves.
      const stale = writes.filter(({ writer, version }) => version > resumed && writer !== newest);
      expect(stale.length).toBeLessThanOrEqual(1);
      leader = follower;
    }
    const exited = once(leader, 'exit');
    leader.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect((await record()).spec).toMatchObject({ holderIdentity: '', leaseTransitions: 3 });
  }, 60_000);
});

test('times that contradict each other are refused', () => {
  const options = { namespace: 'n', name: 'l', identity: 'i', log, onLost: () => undefined };
  const client = undefined as unknown as KubeClient;
  expect(() => new LeaderElection({ ...options, client, durationMs: 5_000 })).toThrow('are 2000, 10000, 5000 ms');
});
