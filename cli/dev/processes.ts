/**
 * The processes of a local cluster as the supervisor has them: a list that grows and shrinks with the number of shards,
 * written to `cluster.json` whenever one of them changes.
 *
 * They end in the order in which they need each other: the router, then the shards, which flush to Blob, then Azurite.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { KvcacheError, messageOf } from '../../errors.ts';
import { SupervisedChild } from './child.ts';
import type { Layout } from './layout.ts';
import type { MemberPlan } from './members.ts';
import { type ProcessRecord, type ProcessState, removeClusterState, writeClusterState, writePointer } from './state.ts';

interface Member {
  readonly plan: MemberPlan;
  readonly child: SupervisedChild;
}

/** The order in which they are listed; they end in the opposite one. */
const roles = ['azurite', 'shard', 'router'] as const;

export class Processes {
  readonly #layout: Layout;
  readonly #killAfterMs: number;
  readonly #say: (sentence: string) => void;
  readonly #startedAtMs = Date.now();
  readonly #members = new Map<string, Member>();
  #isStopping = false;

  constructor(layout: Layout, killAfterMs: number, say: (sentence: string) => void) {
    this.#layout = layout;
    this.#killAfterMs = killAfterMs;
    this.#say = say;
    writePointer(layout.router.grpcPort, layout.statePath);
  }

  /** Those that are kept running. */
  plans(): MemberPlan[] {
    return this.#listed().map(({ plan }) => plan);
  }

  /** Undefined for a process that is not kept running. */
  stateOf(id: string): ProcessState | undefined {
    return this.#members.get(id)?.child.state;
  }

  /** Resolves when the process is ready; rejects if it ends before that, and then it is not listed any more. */
  async start(plan: MemberPlan): Promise<void> {
    if (this.#isStopping) throw new KvcacheError('SHUTDOWN', `${plan.id} is not started: the cluster is being ended`);
    mkdirSync(plan.dataDirectory, { recursive: true });
    const child = this.#childOf(plan);
    this.#members.set(plan.id, { plan, child });
    try {
      await child.start();
    } catch (error) {
      // While everything is being ended, the end is what waits for it.
      if (!this.#isStopping) this.#forget(plan.id);
      throw error;
    }
  }

  /** Ends one process for good. */
  async remove(id: string): Promise<void> {
    await this.#members.get(id)?.child.stop(this.#killAfterMs);
    if (!this.#isStopping) this.#forget(id);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const role of roles.toReversed()) {
      const members = this.#listed().filter(({ plan }) => plan.role === role);
      await Promise.all(members.map(({ child }) => child.stop(this.#killAfterMs)));
    }
    removeClusterState(this.#layout.statePath, this.#layout.router.grpcPort);
  }

  /** Ends every process at once. */
  kill(): void {
    for (const { child } of this.#members.values()) child.kill();
  }

  #forget(id: string): void {
    this.#members.delete(id);
    this.#writeState();
  }

  #listed(): Member[] {
    const byName = (a: Member, b: Member): number => a.plan.id.localeCompare(b.plan.id, 'en', { numeric: true });
    const members = [...this.#members.values()];
    return roles.flatMap((role) => members.filter(({ plan }) => plan.role === role).sort(byName));
  }

  #childOf({ id, run }: MemberPlan): SupervisedChild {
    return new SupervisedChild({
      ...run,
      id,
      logPath: join(this.#layout.logsPath, `${id}.log`),
      onChange: (_, sentence) => {
        if (sentence !== undefined) this.#say(sentence);
        this.#writeState();
      },
    });
  }

  #writeState(): void {
    const supervisor: ProcessRecord = {
      role: 'supervisor',
      id: 'supervisor',
      pid: process.pid,
      state: this.#isStopping ? 'stopping' : 'ready',
      restarts: 0,
      addresses: {},
      dataDirectory: this.#layout.dataPath,
      log: null,
    };
    const children = this.#listed().map(({ plan, child }): ProcessRecord => ({
      role: plan.role,
      id: plan.id,
      pid: child.pid,
      state: child.state,
      restarts: child.restarts,
      addresses: plan.addresses,
      dataDirectory: plan.dataDirectory,
      log: child.logPath,
    }));
    try {
      writeClusterState(this.#layout.statePath, {
        version: 1,
        dataDirectory: this.#layout.dataPath,
        startedAtMs: this.#startedAtMs,
        processes: [supervisor, ...children],
      });
    } catch (error) {
      // Only `kvcache status` reads it; the cluster does without while the disk is full.
      this.#say(`the list of processes cannot be written: ${messageOf(error)}`);
    }
  }
}
