/**
 * What was changed of the settings of all shards reaches those that were not there: ones that join, that come back with
 * an empty disk, or that were away at the wrong moment.
 *
 *   SETTINGS.CHANGES      → bytes: the changes of all shards that are in force at this one (settings/cluster-change.ts)
 *   SETTINGS.TAKE json    → OK; takes those that it has not seen and that are meant for what it was started with
 *
 * Whenever a shard can be reached (again), all are asked, and each is given the newest that it lacks. The router keeps
 * nothing of it: shards keep changes on their disks, so that routers may come and go, and since the newest change wins at
 * every shard, any number of routers may do this at once. What has been lost at every shard is lost.
 *
 * Rejected: changes in the topology document. Its authority is the operator's, which knows nothing of them, and a shard
 * that runs without others has none.
 */
import { type Reply, ReplyError } from '../commands/reply.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { settingsTimeoutMs } from '../limits.ts';
import { type ClusterChange, formatChanges, missingFrom, newestOf, parseChanges } from '../settings/cluster-change.ts';
import { ask } from './ask.ts';
import type { TopologyLink } from './command-link.ts';

export type SettingsLink = Pick<TopologyLink, 'shard' | 'state' | 'submit'>;

interface KnownChanges {
  readonly link: SettingsLink;
  readonly changes: readonly ClusterChange[];
}

export class SettingsExchange {
  readonly #links: () => readonly SettingsLink[];
  readonly #onFault: (shard: string, message: string) => void;
  #isDue = false;
  #underWay: Promise<void> | undefined;

  constructor(links: () => readonly SettingsLink[], onFault: (shard: string, message: string) => void) {
    this.#links = links;
    this.#onFault = onFault;
  }

  /** A shard can be reached that could not be before. Resolves when all that can be know the same. */
  onReady(): Promise<void> {
    this.#isDue = true;
    this.#underWay ??= this.#exchange().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  /** For a change of now: later than any that a shard knows, whatever this machine's clock says. */
  async nextStamp(): Promise<number> {
    const known = await this.#gather();
    return Math.max(Date.now(), ...known.flatMap(({ changes }) => changes.map(({ stamp }) => stamp + 1)));
  }

  async #exchange(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      const known = await this.#gather();
      const newest = newestOf(known.flatMap(({ changes }) => changes));
      await Promise.all(known.map(({ link, changes }) => this.#give(link, missingFrom(changes, newest))));
    }
  }

  async #gather(): Promise<KnownChanges[]> {
    const links = this.#links().filter(({ state }) => state === 'ready');
    const known = await Promise.all(links.map((link) => this.#changesOf(link)));
    return known.filter((each) => each !== undefined);
  }

  async #changesOf(link: SettingsLink): Promise<KnownChanges | undefined> {
    const reply = await this.#ask(link, 'SETTINGS.CHANGES', []);
    if (!Buffer.isBuffer(reply)) {
      this.#report(link, reply);
      return undefined;
    }
    try {
      return { link, changes: parseChanges(reply.toString('utf8')) };
    } catch (error) {
      if (!(error instanceof KvcacheError)) throw error;
      this.#onFault(link.shard, messageOf(error));
      return undefined;
    }
  }

  async #give(link: SettingsLink, changes: readonly ClusterChange[]): Promise<void> {
    if (changes.length === 0) return;
    this.#report(link, await this.#ask(link, 'SETTINGS.TAKE', [Buffer.from(formatChanges(changes))]));
  }

  #ask(link: SettingsLink, name: string, args: readonly Buffer[]): Promise<Reply> {
    return ask(link, name, args, { timeoutMs: settingsTimeoutMs, epoch: undefined });
  }

  /** A shard that goes away meanwhile will be reached again. */
  #report(link: SettingsLink, reply: Reply): void {
    if (reply instanceof ReplyError && reply.code !== 'UNAVAILABLE') this.#onFault(link.shard, reply.message);
  }
}
