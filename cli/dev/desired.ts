/**
 * How many shards a local cluster should have, as `desired.json`, and whose folders go once they have been removed.
 *
 * The topology says where a change stands, and this file where it is to end: a supervisor that starts again after a
 * crash goes on from both. The topology alone would not do. While shards leave it lists them still, and before new
 * ones have joined it knows nothing of them.
 */
import { readFileSync } from 'node:fs';
import { replaceFile } from '../../durable-file.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { localShardsMax } from '../../limits.ts';
import type { Topology } from '../../topology/topology.ts';
import { shardIndexOf } from './layout.ts';

export interface Desired {
  readonly version: 1;
  /** The members are shard-0 and those after it, so many of them. */
  readonly shards: number;
  /** Shards that leave and whose folders are deleted then. */
  readonly deleting: readonly string[];
}

export function desiredOf(shards: number, deleting: readonly string[] = []): Desired {
  return { version: 1, shards, deleting };
}

export function isDesired(desired: Desired, name: string): boolean {
  const index = shardIndexOf(name);
  return index !== undefined && index < desired.shards;
}

/** What the file says; undefined where there is none. Throws CONFIG for one that says nothing usable. */
export function readDesired(path: string): Desired | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseDesired(text, path);
}

export function writeDesired(path: string, desired: Desired): Promise<void> {
  return replaceFile(path, `${JSON.stringify(desired)}\n`);
}

/** The number of shards of a cluster whose `desired.json` is missing: those that own slots when the change is over. */
export function ownersOf(topology: Topology): number {
  const indices = topology.slots.map(({ shards }) => shardIndexOf(shards[0]!) ?? 0);
  return Math.max(...indices) + 1;
}

function parseDesired(text: string, path: string): Desired {
  const fault = (what: string): KvcacheError =>
    new KvcacheError('CONFIG', `${path} ${what}; put it right, or delete it: then the topology says how many shards`);
  let document: Partial<Record<string, unknown>>;
  try {
    document = JSON.parse(text) as Partial<Record<string, unknown>>;
  } catch (error) {
    throw fault(`is not JSON (${messageOf(error)})`);
  }
  const { version, shards, deleting } = document ?? {};
  if (version !== 1) throw fault(`has version ${JSON.stringify(version)}, this program reads version 1`);
  if (typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1 || shards > localShardsMax) {
    throw fault(`asks for ${JSON.stringify(shards)} shards, expected a whole number from 1 to ${localShardsMax}`);
  }
  const isName = (name: unknown): name is string => typeof name === 'string' && shardIndexOf(name) !== undefined;
  if (!Array.isArray(deleting) || !deleting.every(isName)) throw fault('has no list of shards in `deleting`');
  return { version, shards, deleting };
}
