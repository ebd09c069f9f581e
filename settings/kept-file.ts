/**
 * The file that keeps changes of settings:
 *
 *   { "version": 1, "changes": { "eviction.batch_size": { "value": "500", "over": "100", "stamp": 1763712000000 } } }
 *
 * Values are in the form that reads back. What each part of a change is for: kept.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile } from '../durable-file.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { isMap } from './file.ts';
import { settingNamed } from './load.ts';
import type { SettingName } from './schema.ts';

export interface KeptChange {
  readonly value: string;
  /** What the process had been started with. */
  readonly over: string;
  /** When the newest change of all shards was made that this process has seen: Unix milliseconds. */
  readonly stamp?: number;
  /** `value` was set at this process alone, since. */
  readonly isOwn?: true;
}

export type KeptChanges = ReadonlyMap<SettingName, KeptChange>;

const version = 1;

export async function writeKept(path: string, changes: KeptChanges): Promise<void> {
  const content = { version, changes: Object.fromEntries(changes) };
  await replaceFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Throws CONFIG for a file that is not one of these. */
export function readKept(path: string): KeptChanges {
  if (!existsSync(path)) return new Map();
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
  return new Map(
    Object.entries(content['changes']).flatMap(([written, change]) => {
      const name = settingNamed(written);
      return name !== undefined && isKeptChange(change) ? [[name, change] as const] : [];
    }),
  );
}

function isKeptChange(change: unknown): change is KeptChange {
  if (!isMap(change) || typeof change['value'] !== 'string' || typeof change['over'] !== 'string') return false;
  const { stamp, isOwn } = change;
  return (stamp === undefined || Number.isSafeInteger(stamp)) && (isOwn === undefined || isOwn === true);
}
