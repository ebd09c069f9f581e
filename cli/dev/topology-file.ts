/**
 * The topology of a local cluster: made by its first start, kept for the life of the data.
 *
 * A topology is never computed from nothing while data exists: where `topology.json` is gone, the newest copy among
 * the processes' own counts. Ports may change between starts, which is an epoch of its own; shards may not.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KvcacheError } from '../../errors.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import { topology } from '../../topology/place.ts';
import type { Topology } from '../../topology/topology.ts';
import { layoutOf, type LayoutOptions } from './layout.ts';

function readTopology(path: string): Topology | undefined {
  try {
    return parseTopology(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function shardFolders(dataPath: string): string[] {
  try {
    return readdirSync(dataPath).filter((name) => /^shard-\d+$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The newest topology that the folder knows, or undefined where it holds no data. Throws CONFIG for lost documents. */
export function knownTopology(dataPath: string): Topology | undefined {
  const folders = shardFolders(dataPath);
  const paths = [dataPath, join(dataPath, 'router'), ...folders.map((name) => join(dataPath, name))];
  let newest: Topology | undefined;
  for (const path of paths) {
    const found = readTopology(join(path, 'topology.json'));
    if (found && found.epoch > (newest?.epoch ?? 0)) newest = found;
  }
  if (newest === undefined && folders.length > 0) {
    throw new KvcacheError(
      'CONFIG',
      `${dataPath} holds data of ${folders.join(', ')} and no topology.json that says what is whose; put it back, or start with another --data`,
    );
  }
  return newest;
}

/** How many shards to run: what is asked for on an empty folder, else what the data belongs to. */
export function shardCountOf(
  known: Topology | undefined,
  asked: number,
  isAskedFor: boolean,
  dataPath: string,
): number {
  const count = known?.shards.length ?? asked;
  if (isAskedFor && count !== asked) {
    throw new KvcacheError(
      'CONFIG',
      `the data in ${dataPath} belongs to ${count} shards, and --shards asks for ${asked}; start with --shards ${count}, or with another --data`,
    );
  }
  return count;
}

/** Writes the topology that the cluster starts with: the known one, with this start's ports. */
export function writeTopology(known: Topology | undefined, options: LayoutOptions): Topology {
  const layout = layoutOf(options);
  const members = layout.shards.map(({ name, linkPort }) => ({ name, address: `127.0.0.1:${linkPort}` }));
  const next = topology(known, members);
  const beside = `${layout.topologyPath}.new`;
  writeFileSync(beside, formatTopology(next));
  renameSync(beside, layout.topologyPath);
  return next;
}
