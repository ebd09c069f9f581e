/**
 * Changes that were made while a process ran, kept over its restarts: in a small file beside its data.
 *
 *   { "version": 1, "changes": { "eviction.batch_size": { "value": "500", "over": "100" } } }
 *
 * A change holds as long as what it was made over: `over` is what the process had been started with. Started with
 * another value since, by flag, variable or file, the process takes that one, for whoever gave it knew better than a
 * change from before. So nothing that was once changed by hand can shadow a configuration for ever.
 *
 * A change is in the file before it is in force, so that what was answered outlasts a crash. Rejected: writing changes
 * into the settings file that a process was started with, which may be a ConfigMap and is its owner's.
 */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile } from '../durable-file.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { isMap } from './file.ts';
import { changesOf, type LiveSettings, type SettingChange } from './live.ts';
import { settingNamed } from './load.ts';
import { settingNames, type SettingName, settingOf, type Settings } from './schema.ts';

interface KeptChange {
  readonly value: string;
  readonly over: string;
}

export interface KeptSettingsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

const version = 1;

export class KeptSettings {
  readonly #live: LiveSettings;
  readonly #path: string;
  /** What the process was started with. */
  readonly #base: Settings;
  /** One change after the other: each is weighed against what the one before it has made. */
  #last: Promise<unknown> = Promise.resolve();

  /** Puts what is kept at `path` in force again. Throws CONFIG for a file that is not one of these. */
  constructor(live: LiveSettings, path: string, log?: KeptSettingsLog) {
    this.#live = live;
    this.#path = path;
    this.#base = live.current;
    this.#restore(log);
  }

  get(): string {
    return this.#live.get();
  }

  /** What `update` would answer, without changing anything. */
  check(json: string): string | undefined {
    return this.#live.check(json);
  }

  /** What is wrong; undefined when the change is in force and kept. */
  async update(json: string): Promise<string | undefined> {
    try {
      await this.apply(changesOf(json));
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
  apply(changes: readonly SettingChange[]): Promise<void> {
    const applied = this.#last.then(() => this.#apply(changes));
    this.#last = applied.catch(() => undefined);
    return applied;
  }

  async #apply(changes: readonly SettingChange[]): Promise<void> {
    const next = this.#live.preview(changes);
    if (next === this.#live.current) return;
    const kept = Object.fromEntries(
      changedNames(this.#base, next).map((name) => [name, { value: told(name, next), over: told(name, this.#base) }]),
    );
    try {
      await replaceFile(this.#path, `${JSON.stringify({ version, changes: kept }, undefined, 2)}\n`);
    } catch (error) {
      throw new KvcacheError('CONFIG', `the change could not be kept, and was not made: ${messageOf(error)}`);
    }
    this.#live.apply(changes);
  }

  #restore(log: KeptSettingsLog | undefined): void {
    const restored: string[] = [];
    for (const [name, { value, over }] of readKept(this.#path)) {
      const change = { name, raw: value };
      const fault =
        over === told(name, this.#base) ? this.#live.faultOf([change]) : 'it was started with another value';
      if (fault === undefined) {
        this.#live.apply([change]);
        restored.push(name);
      } else log?.warn({ setting: name, fault }, 'a setting that was changed at run time is no longer in force');
    }
    if (restored.length > 0) log?.info({ settings: restored }, 'settings that were changed at run time are in force');
  }
}

function changedNames(base: Settings, next: Settings): SettingName[] {
  return settingNames.filter((name) => settingOf(name).changeable && base[name] !== next[name]);
}

/** The value in the form that reads back. */
function told(name: SettingName, settings: Settings): string {
  const value = settings[name];
  return value === undefined ? '' : settingOf(name).type.format(value);
}

function readKept(path: string): (readonly [SettingName, KeptChange])[] {
  if (!existsSync(path)) return [];
  const advice = 'remove it to go on with the settings that were given';
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new KvcacheError(
      'CONFIG',
      `${path}, which keeps changed settings, is damaged (${messageOf(error)}): ${advice}`,
    );
  }
  if (!isMap(content) || content['version'] !== version || !isMap(content['changes'])) {
    throw new KvcacheError('CONFIG', `${path} does not keep changed settings of this version: ${advice}`);
  }
  // A setting that this version no longer has, or whose change was written otherwise, is left out.
  return Object.entries(content['changes']).flatMap(([written, change]) => {
    const name = settingNamed(written);
    return name !== undefined && isKeptChange(change) ? [[name, change] as const] : [];
  });
}

function isKeptChange(change: unknown): change is KeptChange {
  return isMap(change) && typeof change['value'] === 'string' && typeof change['over'] === 'string';
}
