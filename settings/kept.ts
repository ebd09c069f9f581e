/**
 * Changes that were made while a process ran, kept over its restarts: in a small file beside its data (kept-file.ts).
 *
 * A change holds as long as what it was made over: `over` is what the process had been started with. Started with
 * another value since, by flag, variable or file, the process takes that one, for whoever gave it knew better than a
 * change from before. So nothing that was once changed by hand can shadow a configuration for ever.
 *
 * A change of all shards has a stamp, by which it is told to shards that did not see it (cluster-change.ts), and is kept
 * also where it leads back to what the process was started with. A later change at this process alone has none: it stays
 * here, until all shards are changed again.
 *
 * A change is in the file before it is in force, so that what was answered outlasts a crash. Rejected: writing changes
 * into the settings file that a process was started with, which may be a ConfigMap and is its owner's.
 */
import { KvcacheError, messageOf } from '../errors.ts';
import { type ClusterChange, isNewer } from './cluster-change.ts';
import { type KeptChange, type KeptChanges, readKept, writeKept } from './kept-file.ts';
import { changesOf, type LiveSettings, type SettingChange } from './live.ts';
import { settingNamed } from './load.ts';
import { settingNames, type SettingName, settingOf, type Settings } from './schema.ts';

export interface KeptSettingsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

type NamedChange = readonly [name: SettingName, change: KeptChange];

export class KeptSettings {
  readonly #live: LiveSettings;
  readonly #path: string;
  readonly #log: KeptSettingsLog | undefined;
  /** What the process was started with. */
  readonly #base: Settings;
  #kept: KeptChanges;
  /** One change after the other: each is weighed against what the one before it has made. */
  #last: Promise<unknown> = Promise.resolve();

  /** Puts what is kept at `path` in force again. Throws CONFIG for a file that is not one of these. */
  constructor(live: LiveSettings, path: string, log?: KeptSettingsLog) {
    this.#live = live;
    this.#path = path;
    this.#log = log;
    this.#base = live.current;
    this.#kept = this.#restored(readKept(path));
  }

  get(): string {
    return this.#live.get();
  }

  /** What `update` would answer, without changing anything. */
  check(json: string): string | undefined {
    return this.#live.check(json);
  }

  /** What is wrong; undefined when the change is in force and kept. With a stamp it is one of all shards. */
  async update(json: string, stamp?: number): Promise<string | undefined> {
    try {
      await this.apply(changesOf(json), stamp);
      return undefined;
    } catch (error) {
      if (error instanceof KvcacheError) return error.message;
      throw error;
    }
  }

  faultOf(changes: readonly SettingChange[]): string | undefined {
    return this.#live.faultOf(changes);
  }

  /** Makes and keeps the changes. Rejects with CONFIG and every fault, a line each. */
  apply(changes: readonly SettingChange[], stamp?: number): Promise<void> {
    return this.#inTurn(() => this.#apply(changes, stamp));
  }

  /** The changes of all shards that are in force here. */
  clusterChanges(): ClusterChange[] {
    return [...this.#kept].flatMap(([name, { value, over, stamp, isOwn }]) =>
      stamp === undefined || isOwn === true ? [] : [{ name, value, over, stamp }],
    );
  }

  /** Takes changes of all shards that this one has not seen, where they fit; those that do not are left out. */
  take(changes: readonly ClusterChange[]): Promise<void> {
    return this.#inTurn(() => this.#take(changes));
  }

  #inTurn(make: () => Promise<void>): Promise<void> {
    const made = this.#last.then(make);
    this.#last = made.catch(() => undefined);
    return made;
  }

  async #apply(changes: readonly SettingChange[], stamp: number | undefined): Promise<void> {
    const next = this.#live.preview(changes);
    const names = changedNames(this.#live.current, next);
    if (stamp !== undefined) {
      const stamped = names.map((name) => ({ name, value: told(name, next), over: told(name, this.#base), stamp }));
      return this.#take(stamped);
    }
    if (names.length === 0) return;
    const kept = new Map(this.#kept);
    for (const name of names) {
      const change = { value: told(name, next), over: told(name, this.#base) };
      const seen = kept.get(name)?.stamp;
      if (seen !== undefined) kept.set(name, { ...change, stamp: seen, isOwn: true });
      else if (change.value !== change.over) kept.set(name, change);
      else kept.delete(name);
    }
    await this.#keep(kept);
    this.#live.apply(changes);
  }

  async #take(changes: readonly ClusterChange[]): Promise<void> {
    const taken = this.#fitting(changes.flatMap((change) => this.#unseen(change)));
    if (taken.length === 0) return;
    await this.#keep(new Map([...this.#kept, ...taken]));
    this.#live.apply(taken.map(askedOf));
  }

  #unseen({ name: written, value, over, stamp }: ClusterChange): NamedChange[] {
    const name = settingNamed(written);
    if (name === undefined || over !== told(name, this.#base)) return [];
    return isNewer({ value, stamp }, this.#kept.get(name)) ? [[name, { value, over, stamp }]] : [];
  }

  /** All, or where these do not fit together, those that do one after the other. */
  #fitting(changes: readonly NamedChange[]): readonly NamedChange[] {
    if (this.#live.faultOf(changes.map(askedOf)) === undefined) return changes;
    const fitting: NamedChange[] = [];
    for (const change of changes) {
      const fault = this.#live.faultOf([...fitting, change].map(askedOf));
      if (fault === undefined) fitting.push(change);
      else this.#log?.warn({ setting: change[0], fault }, 'a setting was changed at other shards and cannot be here');
    }
    return fitting;
  }

  async #keep(kept: KeptChanges): Promise<void> {
    try {
      await writeKept(this.#path, kept);
    } catch (error) {
      throw new KvcacheError('CONFIG', `the change could not be kept, and was not made: ${messageOf(error)}`);
    }
    this.#kept = kept;
  }

  /** What of it is in force now. */
  #restored(kept: KeptChanges): KeptChanges {
    const inForce = new Map<SettingName, KeptChange>();
    for (const [name, change] of kept) {
      const { value, over } = change;
      const fault = over === told(name, this.#base) ? this.#faultOf(name, value) : 'it was started with another value';
      if (fault === undefined) {
        this.#live.apply([{ name, raw: value }]);
        inForce.set(name, change);
      } else if (value !== over) {
        this.#log?.warn({ setting: name, fault }, 'a setting that was changed at run time is no longer in force');
      }
    }
    const settings = [...inForce.keys()];
    if (settings.length > 0) this.#log?.info({ settings }, 'settings that were changed at run time are in force');
    return inForce;
  }

  #faultOf(name: SettingName, value: string): string | undefined {
    return this.#live.faultOf([{ name, raw: value }]);
  }
}

function askedOf([name, { value }]: NamedChange): SettingChange {
  return { name, raw: value };
}

function changedNames(from: Settings, to: Settings): SettingName[] {
  return settingNames.filter((name) => settingOf(name).changeable && from[name] !== to[name]);
}

/** The value in the form that reads back. */
function told(name: SettingName, settings: Settings): string {
  const value = settings[name];
  return value === undefined ? '' : settingOf(name).type.format(value);
}
