/**
 * Settings as people and other programs see them: a row a setting with its source, or nested JSON. Secrets are masked.
 */
import { describeSource, type SettingSource } from './load.ts';
import { type GivenSettings, settingNames, type SettingName, settingOf, type Settings } from './schema.ts';
import { environmentNameOf, type ProcessRole } from './setting.ts';
import { formatBytes } from './units.ts';

export const mask = '********';

/** A setting's value in the form that reads back, '' where there is none, masked where it is secret. */
function shownValue(name: SettingName, settings: Settings): string {
  const value = settings[name];
  const { type, secret } = settingOf(name);
  if (value === undefined) return '';
  if (secret) return mask;
  // Resolved to bytes by derive.ts, whatever form it was given in.
  return name === 'blob.max_unflushed' ? formatBytes(settings[name]) : type.format(value);
}

export interface SettingRow {
  readonly name: SettingName;
  readonly value: string;
  readonly source: string;
}

/** The settings that `role` uses, in the order of the schema. */
export function settingRows(
  settings: Settings,
  sources: ReadonlyMap<SettingName, SettingSource>,
  role: ProcessRole,
): SettingRow[] {
  return settingNames
    .filter((name) => settingOf(name).usedBy.includes(role) && !settingOf(name).ignored)
    .map((name) => ({ name, value: shownValue(name, settings), source: describeSource(sources.get(name)!) }));
}

/**
 * The settings of `role` as nested JSON, as S1's GetConfig answers: numbers in bytes, seconds and percent, so that a
 * client of S1 reads `grpc.port` and `eviction.check_interval` where it expects them.
 */
export function nestedSettings(settings: Settings, role: ProcessRole): Record<string, unknown> {
  return nestedOf(plainSettings(settings, role).filter(([name]) => !settingOf(name).ignored));
}

/** What GetConfig shows of a process: see `configOf`. */
export function runningConfig(settings: Settings, role: ProcessRole): Record<string, unknown> {
  return configOf(plainSettings(settings, role));
}

/**
 * The nested JSON that GetConfig answers. Names of the Go KVCache stand beside ours for the same thing (`rocksdb.path`
 * is `data.path`), and those that it alone has show what it would, so that its clients find every group that they
 * know. Where a process has its topology from is nobody's business but its own.
 */
export function configOf(named: readonly PlainSetting[]): Record<string, unknown> {
  const shown = named.filter(([name]) => name !== 'topology.path');
  return nestedOf(
    shown.flatMap(([name, value]) =>
      [name, ...(settingOf(name).aliases.names ?? [])].map((written) => [written, value] as const),
    ),
  );
}

type PlainSetting = readonly [name: SettingName, value: unknown];

/** Numbers in bytes, seconds and percent; secrets masked. */
function plainSettings(settings: Settings, role: ProcessRole): PlainSetting[] {
  const named: PlainSetting[] = [];
  for (const name of settingNames) {
    const { usedBy, secret, type } = settingOf(name);
    const value = settings[name];
    if (!usedBy.includes(role) || value === undefined) continue;
    named.push([name, secret ? mask : type.placeholder === 'time' ? (value as number) / 1_000 : value]);
  }
  return named;
}

/** `grpc.port` becomes `{ grpc: { port } }`; later values win. */
function nestedOf(named: readonly (readonly [name: string, value: unknown])[]): Record<string, unknown> {
  const nested: Record<string, unknown> = {};
  for (const [name, value] of named) {
    const groups = name.split('.');
    const member = groups.pop()!;
    let within = nested;
    for (const group of groups) within = (within[group] ??= {}) as Record<string, unknown>;
    within[member] = value;
  }
  return nested;
}

/** What was given, as environment variables for a child of `role`: no secret appears in a list of processes. */
export function environmentFor(given: GivenSettings, role: ProcessRole): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of settingNames) {
    const { usedBy, ignored, type } = settingOf(name);
    const value = given[name];
    if (value === undefined || ignored || !usedBy.includes(role)) continue;
    variables[environmentNameOf(name)] = type.format(value);
  }
  return variables;
}
