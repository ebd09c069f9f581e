/**
 * One leader among the replicas of the operator, by a Lease object; and the fence that keeps a former leader from writing.
 *
 *   candidate ── acquires ──► leader ── cannot renew in time, or finds another holder ──► lost (for good: the process ends)
 *       └──────────────────────┴── release() ──► released
 *
 * No clock of another machine is trusted. A candidate waits until the record has not changed for a whole lease duration by
 * its own clock; the times written in the record are for people. A leader counts its lease from the moment *before* it sent
 * the renewal that was answered, so it always believes to hold it for less long than others do.
 *
 * A process can be stopped at any moment (SIGSTOP, a paused virtual machine, a long collection), also between a check and
 * a write. So the check is not a flag that a timer clears: every write asks `remainingMs()`, which reads the clocks, in the
 * same turn of the event loop in which its bytes leave, and must be answered before the lease ends. What remains is the
 * one write between whose check and bytes the process was stopped. Two clocks are read: the monotonic one may stand still
 * while a machine is suspended, the wall clock may be set back; the later one counts.
 *
 * Rejected: writes conditional on the Lease, which Kubernetes does not have; and going on as a candidate after a loss,
 * because everything in memory was decided by a leader that is no more.
 */
import { messageOf } from '../../errors.ts';
import { leaseDurationMs, leaseRenewDeadlineMs, leaseRetryIntervalMs, leaseWriteMarginMs } from '../../limits.ts';
import { sleep } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isConflict } from './kube-error.ts';
import type { WriteFence } from './requests.ts';
import { leases, type Stored, type Wire } from './resources.ts';
import type { V1Lease } from '@kubernetes/client-node';

export interface LeaseTiming {
  readonly durationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryIntervalMs?: number;
  readonly writeMarginMs?: number;
}

export interface LeaderElectionOptions extends LeaseTiming {
  /** The lease goes over a sibling of it: a renewal must not wait behind what reconciliation asks for. */
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Of this process, and of no other that ever was: a pod's name is not enough after a restart. */
  readonly identity: string;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly onElected?: () => void;
  /** Called once; the process should end at once. */
  readonly onLost: (reason: string) => void;
  /** Both clocks of this machine; for tests. */
  readonly now?: () => Moment;
}

export type LeaderState = 'candidate' | 'leader' | 'lost' | 'released';

type Lease = Stored<Wire<V1Lease>>;

/** A moment on both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

function realNow(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** How much time has passed at least, for waiting until another's lease has ended. */
function passedAtLeastMs(from: Moment, to: Moment): number {
  return Math.min(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}

/** How much time may have passed, for believing in one's own lease. */
function passedAtMostMs(from: Moment, to: Moment): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}

/** The API's times have exactly six digits after the second. */
export function microTime(date = new Date()): string {
  return date.toISOString().replace('Z', '000Z');
}

export class LeaderElection implements WriteFence {
  readonly #options: LeaderElectionOptions;
  readonly #client: KubeClient;
  readonly #durationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryIntervalMs: number;
  readonly #writeMarginMs: number;
  readonly #now: () => Moment;
  readonly #stopping = new AbortController();
  readonly #elected = Promise.withResolvers<void>();
  #state: LeaderState = 'candidate';
  #running: Promise<void> | undefined;
  /** The record as it was last read or written, and when its last change was seen. */
  #lease: Lease | undefined;
  #changeSeen: Moment;
  /** Just before the last answered renewal was sent. */
  #renewed: Moment = { monotonicMs: -Infinity, wallMs: -Infinity };
  #renewals = 0;
  #failures = 0;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#now = options.now ?? realNow;
    this.#changeSeen = this.#now();
    this.#durationMs = options.durationMs ?? leaseDurationMs;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? leaseRenewDeadlineMs;
    this.#retryIntervalMs = options.retryIntervalMs ?? leaseRetryIntervalMs;
    this.#writeMarginMs = options.writeMarginMs ?? leaseWriteMarginMs;
    if (!(this.#retryIntervalMs < this.#renewDeadlineMs && this.#renewDeadlineMs < this.#durationMs)) {
      throw new RangeError(
        `lease times must grow from retry interval to renew deadline to duration, and are ` +
          `${this.#retryIntervalMs}, ${this.#renewDeadlineMs}, ${this.#durationMs} ms`,
      );
    }
    this.#client = options.client.sibling();
  }

  get state(): LeaderState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#state === 'leader' && this.remainingMs() > 0;
  }

  /** Who holds the lease, as far as this process knows. */
  get holder(): string | undefined {
    return this.#lease?.spec?.holderIdentity || undefined;
  }

  get statistics(): { readonly renewals: number; readonly failures: number; readonly transitions: number } {
    return {
      renewals: this.#renewals,
      failures: this.#failures,
      transitions: this.#lease?.spec?.leaseTransitions ?? 0,
    };
  }

  remainingMs(): number {
    if (this.#state !== 'leader') return 0;
    return this.#durationMs - this.#writeMarginMs - passedAtMostMs(this.#renewed, this.#now());
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when this process leads; false where it is stopped first. */
  async whenElected(): Promise<boolean> {
    await this.#elected.promise;
    return this.#state === 'leader';
  }

  /** Gives the lease to whoever wants it. To be called when no write is under way any more. */
  async release(): Promise<void> {
    const wasLeader = this.isLeader;
    if (this.#state !== 'lost') this.#state = 'released';
    this.#stopping.abort();
    await this.#running;
    this.#elected.resolve();
    if (wasLeader && this.#lease) await this.#clear(this.#lease);
    this.#client.close();
  }

  async #clear({ spec }: Lease): Promise<void> {
    try {
      await this.#write({ ...spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() });
      this.#options.log.info({ lease: this.#options.name }, 'leader election: released');
    } catch (error) {
      // It ends by itself, only later.
      this.#options.log.warn({ error: messageOf(error) }, 'leader election: the lease could not be released');
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#state === 'leader' && passedAtMostMs(this.#renewed, this.#now()) >= this.#renewDeadlineMs) {
        this.#lose(`the lease was not renewed within ${this.#renewDeadlineMs} ms`);
        return;
      }
      try {
        await this.#attempt();
      } catch (error) {
        if (signal.aborted) return;
        this.#failures += 1;
        this.#options.log.warn({ state: this.#state, error: messageOf(error) }, 'leader election: an attempt failed');
      }
      if (this.#state === 'lost') return;
      await sleep(this.#retryIntervalMs * (this.#state === 'leader' ? 1 : 1 + Math.random() * 0.2), signal);
    }
  }

  /** One round: read the record where it is not known to be ours, and write it where it is ours to write. */
  async #attempt(): Promise<void> {
    if (this.#state !== 'leader') {
      await this.#read();
      if (!this.#mayAcquire()) return;
    }
    const sent = this.#now();
    try {
      await this.#write(this.#recordOfMine());
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error;
      // Our own write of which we heard no answer, or somebody else's: the record tells.
      await this.#read();
      if (this.#state === 'leader' && this.holder !== this.#options.identity) {
        this.#lose(`the lease is held by ${this.holder ?? 'nobody'}`);
      }
      return;
    }
    this.#renewed = sent;
    this.#renewals += 1;
    if (this.#state !== 'candidate') return;
    this.#state = 'leader';
    this.#options.log.info({ lease: this.#options.name, identity: this.#options.identity }, 'leader election: elected');
    this.#elected.resolve();
    this.#options.onElected?.();
  }

  #mayAcquire(): boolean {
    const spec = this.#lease?.spec;
    if (!spec?.holderIdentity || spec.holderIdentity === this.#options.identity) return true;
    const durationMs = Math.max(this.#durationMs, (spec.leaseDurationSeconds ?? 0) * 1_000);
    return passedAtLeastMs(this.#changeSeen, this.#now()) >= durationMs;
  }

  #recordOfMine(): NonNullable<Lease['spec']> {
    const { identity } = this.#options;
    const spec = this.#lease?.spec;
    const isMine = spec?.holderIdentity === identity;
    const transitions = spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1_000),
      acquireTime: (isMine ? spec.acquireTime : undefined) ?? microTime(),
      renewTime: microTime(),
      leaseTransitions: isMine || !spec ? transitions : transitions + 1,
    };
  }

  async #read(): Promise<void> {
    const { namespace, name } = this.#options;
    const lease = await this.#client.get(leases, { namespace, name }, this.#requestOptions());
    if (lease?.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion) this.#changeSeen = this.#now();
    this.#lease = lease;
  }

  async #write(spec: NonNullable<Lease['spec']>): Promise<void> {
    const { namespace, name } = this.#options;
    const resourceVersion = this.#lease?.metadata.resourceVersion;
    const body = { metadata: { namespace, name, ...(resourceVersion ? { resourceVersion } : {}) }, spec };
    const options = this.#requestOptions();
    this.#lease = await (resourceVersion
      ? this.#client.replace(leases, body, options)
      : this.#client.create(leases, body, options));
    this.#changeSeen = this.#now();
  }

  /** One attempt within what is left of the deadline: the loop itself is the repetition. */
  #requestOptions(): { readonly attemptsMax: 1; readonly timeoutMs: number; readonly signal?: AbortSignal } {
    const leftMs =
      this.#state === 'leader' ? this.#renewDeadlineMs - passedAtMostMs(this.#renewed, this.#now()) : Infinity;
    const timeoutMs = Math.max(1, Math.min(this.#renewDeadlineMs / 2, leftMs));
    // The last write, which releases the lease, comes after the loop has been told to stop.
    return { attemptsMax: 1, timeoutMs, ...(this.#state === 'released' ? {} : { signal: this.#stopping.signal }) };
  }

  #lose(reason: string): void {
    this.#state = 'lost';
    this.#stopping.abort();
    this.#elected.resolve();
    this.#options.log.warn({ reason, holder: this.holder }, 'leader election: lost');
    this.#options.onLost(reason);
  }
}
