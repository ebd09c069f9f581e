/**
 * The settings of a cluster as its clients see them at a router: the router's own, and those that all shards share.
 *
 *   get      the router's, and from a shard what the router does not have itself; names of other systems beside ours
 *   update   each setting goes to whom it concerns: router, every shard, or both
 *
 * A change of all shards is stamped, so that shards which did not see it are given it later (link/settings-exchange.ts).
 *
 * What tells one shard from another (its name, its ports, its folder) is neither shown nor changed here, so that a
 * client may read everything, change one value, and write everything back.
 */
import { type Executor, libraryContext } from '../commands/command.ts';
import { ReplyError } from '../commands/reply.ts';
import { KvcacheError } from '../errors.ts';
import { settingsTimeoutMs } from '../limits.ts';
import { changesOf, type SettingChange } from '../settings/live.ts';
import { configOf } from '../settings/present.ts';
import { type SettingName, settingOf } from '../settings/schema.ts';

/** The same for all shards of a cluster, so that a local cluster hands it on to each of its own. */
function isShared(name: SettingName): boolean {
  const { usedBy } = settingOf(name);
  return usedBy.includes('shard') && usedBy.includes('dev');
}

function isRouters(name: SettingName): boolean {
  return settingOf(name).usedBy.includes('router');
}

/** The router's own settings: settings/kept.ts, or settings/live.ts where nothing is to be kept. */
export interface OwnSettings {
  get(): string;
  faultOf(changes: readonly SettingChange[]): string | undefined;
  apply(changes: readonly SettingChange[]): void | Promise<void>;
}

export class ClusterSettings {
  readonly #own: OwnSettings;
  readonly #router: Executor;
  readonly #nextStamp: () => Promise<number>;

  /** `nextStamp`: the time of a change of now, later than that of any before. */
  constructor(own: OwnSettings, router: Executor, nextStamp: () => Promise<number>) {
    this.#own = own;
    this.#router = router;
    this.#nextStamp = nextStamp;
  }

  /** Nested JSON. Where no shard answers, the router's own. */
  async get(): Promise<string> {
    const reply = await this.#router.execute({ name: 'SETTINGS.GET', args: [] }, libraryContext(settingsTimeoutMs));
    const shard = (Array.isArray(reply) ? reply : []).find(Buffer.isBuffer);
    const ofShard = shard === undefined ? [] : changesOf(shard.toString('utf8'));
    const shown = ofShard.filter(({ name }) => isShared(name) && !isRouters(name));
    const own = changesOf(this.#own.get());
    return JSON.stringify(configOf([...shown, ...own].map(({ name, raw }) => [name, raw])));
  }

  /** What is wrong; undefined when the change is in force everywhere. */
  async update(json: string): Promise<string | undefined> {
    try {
      const changes = changesOf(json);
      const forRouter = changes.filter(({ name }) => isRouters(name) || !isShared(name));
      const forShards = changes.filter(
        ({ name }) => isShared(name) && (!isRouters(name) || settingOf(name).changeable),
      );
      // A change that one shard would refuse must not be in force at the others: all are asked before any is told.
      const fault =
        this.#own.faultOf(forRouter) ??
        (await this.#updateShards(forShards, 'CHECK')) ??
        (await this.#updateShards(forShards, 'AT'));
      if (fault === undefined) await this.#own.apply(forRouter);
      return fault;
    } catch (error) {
      if (error instanceof KvcacheError) return error.message;
      throw error;
    }
  }

  async #updateShards(
    changes: readonly { readonly name: SettingName; readonly raw: unknown }[],
    mode: 'CHECK' | 'AT',
  ): Promise<string | undefined> {
    if (changes.length === 0) return undefined;
    const json = JSON.stringify(Object.fromEntries(changes.map(({ name, raw }) => [name, raw])));
    const args = mode === 'CHECK' ? [json, mode] : [json, mode, `${await this.#nextStamp()}`];
    const command = { name: 'SETTINGS.SET', args: args.map((text) => Buffer.from(text)) };
    const reply = await this.#router.execute(command, libraryContext(settingsTimeoutMs));
    return reply instanceof ReplyError ? reply.message : undefined;
  }
}
