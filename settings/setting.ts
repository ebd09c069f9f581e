/**
 * What is declared of one setting. Everything else follows from it: the flag, the environment variable, the place in
 * a file, validation, `docs/settings.md` and what `kvcache config` shows.
 *
 *   memory.limit   →   --memory-limit SIZE   KVCACHE_MEMORY_LIMIT   memory: { limit: … }   memory_limit: …
 */
import type { SettingType } from './types.ts';

/** The programs that read settings. `dev` is the local cluster, which hands a shard's and a router's on to them. */
export const processRoles = ['shard', 'router', 'operator', 'dev', 'client'] as const;
export type ProcessRole = (typeof processRoles)[number];

/** Further names of a setting, for files, scripts and habits made for other systems. */
export interface SettingAliases {
  /** Dotted names in a file. */
  readonly names?: readonly string[];
  /** Flags without the dashes; one of one letter is a short flag. */
  readonly flags?: readonly string[];
  readonly environment?: readonly string[];
}

export interface Setting<Value> {
  readonly type: SettingType<Exclude<Value, undefined>>;
  readonly default:
    | { readonly kind: 'value'; readonly value: Value }
    | { readonly kind: 'none' }
    /** Computed from other settings by derive.ts; `text` tells how. */
    | { readonly kind: 'derived'; readonly text: string };
  readonly description: string;
  readonly usedBy: readonly ProcessRole[];
  /** May change while the process runs, without a restart. */
  readonly changeable: boolean;
  /** Never printed, never logged. */
  readonly secret: boolean;
  /** Accepted so that a file of another system loads, and without any effect. */
  readonly ignored: boolean;
  readonly aliases: SettingAliases;
}

interface Details {
  readonly changeable?: boolean;
  readonly secret?: boolean;
  readonly ignored?: boolean;
  readonly aliases?: SettingAliases;
}

function declare<Value>(
  type: SettingType<Exclude<Value, undefined>>,
  fallback: Setting<Value>['default'],
  usedBy: readonly ProcessRole[],
  description: string,
  details: Details,
): Setting<Value> {
  const { changeable = false, secret = false, ignored = false, aliases = {} } = details;
  return { type, default: fallback, description, usedBy, changeable, secret, ignored, aliases };
}

/** A setting with a fixed default. */
export function setting<Value>(
  type: SettingType<Value>,
  value: NoInfer<Value>,
  usedBy: readonly ProcessRole[],
  description: string,
  details: Details = {},
): Setting<Value> {
  return declare(
    type as SettingType<Exclude<Value, undefined>>,
    { kind: 'value', value },
    usedBy,
    description,
    details,
  );
}

/** A setting that is absent unless given. */
export function optional<Value>(
  type: SettingType<Value>,
  usedBy: readonly ProcessRole[],
  description: string,
  details: Details = {},
): Setting<Value | undefined> {
  return declare<Value | undefined>(
    type as SettingType<Exclude<Value, undefined>>,
    { kind: 'none' },
    usedBy,
    description,
    details,
  );
}

/** A setting whose default follows from others; `text` says how, derive.ts computes it. */
export function derived<Value>(
  type: SettingType<Value>,
  text: string,
  usedBy: readonly ProcessRole[],
  description: string,
  details: Details = {},
): Setting<Value> {
  return declare(
    type as SettingType<Exclude<Value, undefined>>,
    { kind: 'derived', text },
    usedBy,
    description,
    details,
  );
}

/** `blob.flush_interval` → `blob-flush-interval`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[._]/g, '-');
}

/** As it is typed: `-l`, `--log-level`. */
export function dashed(flag: string): string {
  return flag.length === 1 ? `-${flag}` : `--${flag}`;
}

/** `blob.flush_interval` → `blob_flush_interval`. */
export function flatNameOf(name: string): string {
  return name.replaceAll('.', '_');
}

/** `blob.flush_interval` → `KVCACHE_BLOB_FLUSH_INTERVAL`. */
export function environmentNameOf(name: string): string {
  return `KVCACHE_${flatNameOf(name).toUpperCase()}`;
}
