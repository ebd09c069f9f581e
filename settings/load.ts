/**
 * Settings from flags over environment over file over defaults, with all faults told at once.
 *
 * A fault names the setting, what was given, where it came from and what would be right. Secrets are never part of it.
 */
import { KvcacheError } from '../errors.ts';
import { conflicts, deriveSettings } from './derive.ts';
import { readSettingsFile } from './file.ts';
import { nearest } from './nearest.ts';
import { credentialAlternatives } from './security-conflicts.ts';
import { otherFlagNamed, readOtherFlag } from './other-flags.ts';
import { type GivenSettings, settingNames, type SettingName, settingOf, type Settings } from './schema.ts';
import { environmentNameOf, flagOf, flatNameOf, type ProcessRole } from './setting.ts';

export type SettingSource =
  | { readonly kind: 'default' | 'derived' }
  /** `name` is the flag, the variable, or the file's path. */
  | { readonly kind: 'flag' | 'environment' | 'file'; readonly name: string };

export interface SettingsInput {
  readonly role: ProcessRole;
  /** By flag without its dashes, aliases included. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly filePath?: string | undefined;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** What was given, without defaults: what a parent hands on to its children. */
  readonly given: GivenSettings;
  readonly sources: ReadonlyMap<SettingName, SettingSource>;
  /** Sentences about what looks like a mistake and is none for certain. */
  readonly warnings: readonly string[];
}

interface Candidate {
  readonly name: SettingName;
  readonly raw: unknown;
  readonly source: Exclude<SettingSource, { kind: 'default' | 'derived' }>;
}

const nameByAlias = new Map<string, SettingName>();
/** As clients of the Go KVCache write names that they do not nest: `value_disk_threshold`. */
const nameByFlatName = new Map<string, SettingName>();
const nameByFlag = new Map<string, SettingName>();
/** A variable may be one of a server and one of commands: `KV_PASSWORD` is the password that each of them has. */
const namesByEnvironment = new Map<string, SettingName[]>();
for (const name of settingNames) {
  const { aliases } = settingOf(name);
  for (const alias of [name, ...(aliases.names ?? [])]) {
    nameByAlias.set(alias, name);
    nameByFlatName.set(flatNameOf(alias), name);
  }
  for (const flag of [flagOf(name), ...(aliases.flags ?? [])]) nameByFlag.set(flag, name);
  for (const variable of [environmentNameOf(name), ...(aliases.environment ?? [])]) {
    namesByEnvironment.set(variable, [...(namesByEnvironment.get(variable) ?? []), name]);
  }
}

/** The setting of this name or alias, its dots as they are or as underscores. */
export function settingNamed(name: string): SettingName | undefined {
  return nameByAlias.get(name) ?? nameByFlatName.get(name);
}

/** True for variables that settings are read from, or were meant to be. */
export function isSettingsVariable(variable: string): boolean {
  return variable.startsWith('KVCACHE_') || namesByEnvironment.has(variable);
}

/** The variable that names the settings file. */
const fileEnvironmentName = 'KVCACHE_CONFIG';

/** Loads the settings of one process. Throws KvcacheError CONFIG whose message lists every fault, one a line. */
export function loadSettings(input: SettingsInput): LoadedSettings {
  const faults: string[] = [];
  const warnings: string[] = [];
  const candidates = withoutWeakerAlternatives([
    ...fromFile(input, faults),
    ...fromEnvironment(input, warnings),
    ...fromFlags(input, faults, warnings),
  ]);
  const given: Record<string, unknown> = {};
  const sources = new Map<SettingName, SettingSource>();
  for (const candidate of candidates) {
    const { type } = settingOf(candidate.name);
    const result = type.schema.safeParse(candidate.raw);
    if (result.success) {
      given[candidate.name] = result.data;
      sources.set(candidate.name, candidate.source);
    } else {
      faults.push(faultOf(candidate));
    }
  }
  for (const name of settingNames) {
    if (sources.has(name)) continue;
    sources.set(name, { kind: settingOf(name).default.kind === 'derived' ? 'derived' : 'default' });
  }
  const settings = deriveSettings(given);
  // Conflicts between values that are wrong themselves would only confuse.
  if (faults.length === 0) faults.push(...conflicts(settings, input.role));
  if (faults.length > 0) throw new KvcacheError('CONFIG', faults.join('\n'));
  return { settings, given, sources, warnings };
}

/** `flag --grpc-port`, `environment KVCACHE_GRPC_PORT`, `file kvcache.yaml`, `default`. */
export function describeSource(source: SettingSource): string {
  if (source.kind === 'flag') return `flag --${source.name}`;
  return 'name' in source ? `${source.kind} ${source.name}` : source.kind;
}

/** `candidates` are in order, those of the strongest source last. */
function withoutWeakerAlternatives(candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.filter(({ name, source }) => {
    const group = credentialAlternatives.find((names) => names.includes(name));
    const strongest = group && candidates.findLast((candidate) => group.includes(candidate.name));
    return strongest === undefined || strongest.source.kind === source.kind;
  });
}

function faultOf({ name, raw, source }: Candidate): string {
  return `${name} is ${shownRaw(name, raw)} (${describeSource(source)}); it must be ${settingOf(name).type.expected}`;
}

/** A value that is not right, as it was written; a secret is only called so. */
export function shownRaw(name: SettingName, raw: unknown): string {
  return settingOf(name).secret ? 'not right' : `'${typeof raw === 'string' ? raw : JSON.stringify(raw)}'`;
}

function fromFlags({ flags, role }: SettingsInput, faults: string[], warnings: string[]): Candidate[] {
  const byName = new Map<SettingName, Candidate>();
  const add = (name: SettingName, raw: unknown, flag: string): void => {
    const first = byName.get(name);
    if (first) faults.push(`${name} is given twice, by --${first.source.name} and --${flag}; keep one of them`);
    else byName.set(name, { name, raw, source: { kind: 'flag', name: flag } });
  };
  for (const [flag, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const other = otherFlagNamed(flag, role);
    const name = nameByFlag.get(flag);
    if (other) {
      const { settings, warning, fault } = readOtherFlag(other, raw, role);
      if (fault !== undefined) faults.push(fault);
      if (warning !== undefined) warnings.push(warning);
      for (const [meant, value] of Object.entries(settings ?? {})) add(meant as SettingName, value, flag);
    } else if (name !== undefined) {
      add(name, raw, flag);
    }
  }
  return [...byName.values()];
}

/**
 * Kubernetes puts variables such as KVCACHE_HTTP_PORT=tcp://10.0.0.7:8080 into every pod beside a Service named
 * kvcache-http. They are not meant for us.
 */
const serviceLinkPattern = /^(tcp|udp|sctp):\/\//;

function fromEnvironment({ environment, role }: SettingsInput, warnings: string[]): Candidate[] {
  const own: Candidate[] = [];
  const aliases: Candidate[] = [];
  for (const [variable, raw] of Object.entries(environment)) {
    if (raw === undefined || raw === '' || serviceLinkPattern.test(raw)) continue;
    const names = namesByEnvironment.get(variable);
    if (names !== undefined) {
      // The variables of a shard mean nothing to a router on the same machine.
      const name = names.find((candidate) => settingOf(candidate).usedBy.includes(role));
      if (name === undefined) continue;
      const ofKind = variable === environmentNameOf(name) ? own : aliases;
      ofKind.push({ name, raw, source: { kind: 'environment', name: variable } });
    } else if (variable.startsWith('KVCACHE_') && variable !== fileEnvironmentName) {
      const meant = nearest(variable, namesByEnvironment.keys(), 2);
      if (meant !== undefined) warnings.push(`${variable} is no setting; did you mean ${meant}?`);
    }
  }
  // Where both are given a setting's own variable wins.
  return [...aliases, ...own];
}

function fromFile({ filePath, environment }: SettingsInput, faults: string[]): Candidate[] {
  const path = filePath ?? environment[fileEnvironmentName];
  if (path === undefined || path === '') return [];
  const candidates: Candidate[] = [];
  const seen = new Map<SettingName, string>();
  for (const [written, raw] of readSettingsFile(path, (candidate) => settingNamed(candidate) !== undefined)) {
    const name = settingNamed(written);
    if (name === undefined) {
      const meant = nearest(written, nameByAlias.keys());
      faults.push(
        `${written} (file ${path}) is no setting; ${meant ? `did you mean ${meant}?` : 'docs/settings.md lists them'}`,
      );
    } else if (seen.has(name)) {
      faults.push(`${name} is given twice (file ${path}), as ${seen.get(name)} and as ${written}; keep one of them`);
    } else {
      seen.set(name, written);
      candidates.push({ name, raw, source: { kind: 'file', name: path } });
    }
  }
  return candidates;
}
