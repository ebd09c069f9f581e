/**
 * The settings of a running process, and the few that may change while it runs.
 *
 * Parts of a process get views whose fields are getters over `current` (shard/live-options.ts), so that a change is in
 * force with the next look and nobody needs to be told. What somebody must act on is told by `onChange`.
 *
 * An update is taken as a whole or not at all. It may name every setting, as a client does that reads all, changes one
 * and writes all back: what stays as it is is no change, and a masked secret stays as it is. Names of other systems that
 * have no effect here are taken as they are shown; another value is refused, for nobody would act on it.
 */
import { isDeepStrictEqual } from 'node:util';
import { KvcacheError, messageOf } from '../errors.ts';
import { conflicts, deriveSettings } from './derive.ts';
import { flattened, isMap } from './file.ts';
import { type LoadedSettings, settingNamed, shownRaw } from './load.ts';
import { mask, runningConfig } from './present.ts';
import { type GivenSettings, type SettingName, settingOf, type Settings } from './schema.ts';
import type { ProcessRole } from './setting.ts';

/** A setting of an update, before its value is looked at. */
export interface SettingChange {
  readonly name: SettingName;
  readonly raw: unknown;
}

/** The settings that `json` names: nested, with dotted names, or flat with underscores. Throws CONFIG for no JSON and for unknown names. */
export function changesOf(json: string): SettingChange[] {
  const named = [...flattened(parseMap(json), '', (name) => settingNamed(name) !== undefined)];
  const unknown = named.filter(([written]) => settingNamed(written) === undefined);
  if (unknown.length > 0) {
    const faults = unknown.map(([written]) => `${written} is no setting; docs/settings.md lists them`);
    throw new KvcacheError('CONFIG', faults.join('\n'));
  }
  return named.map(([written, raw]) => ({ name: settingNamed(written)!, raw }));
}

export class LiveSettings {
  readonly role: ProcessRole;
  #given: GivenSettings;
  #current: Settings;
  readonly #listeners = new Set<(settings: Settings) => void>();

  constructor({ given, settings }: Pick<LoadedSettings, 'given' | 'settings'>, role: ProcessRole) {
    this.role = role;
    this.#given = given;
    this.#current = settings;
  }

  get current(): Settings {
    return this.#current;
  }

  /** Calls back after every change. */
  onChange(listener: (settings: Settings) => void): void {
    this.#listeners.add(listener);
  }

  /** Nested JSON of what this process uses, secrets masked. */
  get(): string {
    return JSON.stringify(runningConfig(this.#current, this.role));
  }

  /** Changes what `json` asks for. Answers what is wrong; undefined when it is done. */
  update(json: string): string | undefined {
    return this.#told(() => this.apply(changesOf(json)));
  }

  /** What `update` would answer, without changing anything. */
  check(json: string): string | undefined {
    return this.#told(() => this.faultOf(changesOf(json)));
  }

  #told(action: () => string | undefined | void): string | undefined {
    try {
      return action() ?? undefined;
    } catch (error) {
      if (error instanceof KvcacheError) return error.message;
      throw error;
    }
  }

  /** What keeps these changes from being made, without making them. */
  faultOf(changes: readonly SettingChange[]): string | undefined {
    const { faults } = this.#weigh(changes);
    return faults.length > 0 ? faults.join('\n') : undefined;
  }

  /** What the settings would be after these changes. Throws CONFIG with every fault, a line each. */
  preview(changes: readonly SettingChange[]): Settings {
    const { given, next, faults } = this.#weigh(changes);
    if (faults.length > 0) throw new KvcacheError('CONFIG', faults.join('\n'));
    return given === this.#given ? this.#current : next;
  }

  /** Makes the changes. Throws CONFIG with every fault, a line each. */
  apply(changes: readonly SettingChange[]): void {
    const { given, next, faults } = this.#weigh(changes);
    if (faults.length > 0) throw new KvcacheError('CONFIG', faults.join('\n'));
    if (given === this.#given) return;
    this.#given = given;
    this.#current = next;
    for (const listener of this.#listeners) listener(next);
  }

  #weigh(changes: readonly SettingChange[]): { given: GivenSettings; next: Settings; faults: string[] } {
    const faults: string[] = [];
    const changed: Record<string, unknown> = {};
    for (const change of changes) this.#collect(change, changed, faults);
    const given = Object.keys(changed).length === 0 ? this.#given : { ...this.#given, ...changed };
    const next = deriveSettings(given);
    if (faults.length === 0) faults.push(...conflicts(next, this.role));
    return { given, next, faults };
  }

  #collect({ name, raw }: SettingChange, changed: Record<string, unknown>, faults: string[]): void {
    const { type, changeable, secret, ignored, usedBy } = settingOf(name);
    if (secret && raw === mask) return;
    if (ignored) {
      if (!isShown(name, raw, this.#current)) faults.push(withoutEffect(name));
      return;
    }
    const result = type.schema.safeParse(raw);
    if (!result.success) {
      faults.push(`${name} is ${shownRaw(name, raw)}; it must be ${type.expected}`);
      return;
    }
    const derived = deriveSettings({ ...this.#given, [name]: result.data });
    if (derived[name] === this.#current[name]) return;
    if (!usedBy.includes(this.role)) {
      faults.push(`${name} is no setting of this ${this.role}, but of ${usedBy.join(', ')}`);
    } else if (!changeable) {
      faults.push(`${name} does not change while the ${this.role} runs; start it again with the new value`);
    } else {
      changed[name] = result.data;
    }
  }
}

/** Why another value of a setting without effect is refused. */
export function withoutEffect(name: SettingName): string {
  return `${name} cannot change: ${settingOf(name).description}`;
}

/** True for what GetConfig shows of a setting without effect, in whatever form it is written back. */
function isShown(name: SettingName, raw: unknown, settings: Settings): boolean {
  const shown: unknown = settings[name];
  const { format } = settingOf(name).type;
  return isDeepStrictEqual(raw, shown) || format(raw) === format(shown);
}

function parseMap(json: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch (error) {
    throw new KvcacheError('CONFIG', `the settings are no JSON: ${messageOf(error)}`);
  }
  if (!isMap(content))
    throw new KvcacheError('CONFIG', 'the settings must be a JSON object, such as {"log_level":"debug"}');
  return content;
}
