/**
 * The topology document of a local cluster, `topology.json`: made by its first start, replaced by every change.
 *
 * A topology is never computed from nothing while data exists: where the document is gone, the newest copy among the
 * processes' own counts. Ports may change between starts, which is an epoch of its own and moves nothing; who owns what
 * is changed by the scaler alone (scaler.ts), step by step, and a start finds it wherever that stands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../durable-file.ts';
import { KvcacheError } from '../../errors.ts';
import { localShardsMax } from '../../limits.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import { topology } from '../../topology/place.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import { type Desired, desiredOf, ownersOf } from './desired.ts';
import { shardIndexOf, shardNameOf, shardPlaceOf, type Site } from './layout.ts';

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
    return readdirSync(dataPath).filter((name) => shardIndexOf(name) !== undefined);
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
  const foreign = newest?.shards.find(({ name }) => shardIndexOf(name) === undefined);
  if (foreign !== undefined) {
    throw new KvcacheError(
      'CONFIG',
      `the topology in ${dataPath} names ${foreign.name}, and the shards of a local cluster are shard-0 to ${shardNameOf(localShardsMax - 1)}; start with another --data`,
    );
  }
  return newest;
}

/** How many shards there should be: what is asked for on an empty folder, else what was asked for last. */
export function desiredAtStart(
  known: Topology | undefined,
  stored: Desired | undefined,
  asked: { readonly shards: number; readonly isGiven: boolean },
  dataPath: string,
): Desired {
  if (known === undefined) return desiredOf(asked.shards);
  const desired = stored ?? desiredOf(ownersOf(known));
  if (asked.isGiven && desired.shards !== asked.shards) {
    throw new KvcacheError(
      'CONFIG',
      `the data in ${dataPath} belongs to ${desired.shards} shards, and --shards asks for ${asked.shards}; start without --shards and then run 'kvcache scale ${asked.shards}', or start with another --data`,
    );
  }
  return desired;
}

/** The shard as a topology lists it, with this start's ports. */
export function memberOf(index: number, site: Site): TopologyShard {
  const { name, linkPort } = shardPlaceOf(index, site);
  return { name, address: `127.0.0.1:${linkPort}` };
}

/** The shards that there should be. */
export function membersOf({ shards }: Desired, site: Site): TopologyShard[] {
  return Array.from({ length: shards }, (_, index) => memberOf(index, site));
}

/** Writes the topology that the cluster starts with: the known one, with this start's ports, or the first. */
export async function writeFirstTopology(
  known: Topology | undefined,
  desired: Desired,
  site: Site,
  path: string,
): Promise<Topology> {
  const first = known === undefined ? topology(undefined, membersOf(desired, site)) : readdressed(known, site);
  await writeTopology(first, path);
  return first;
}

export function writeTopology(document: Topology, path: string): Promise<void> {
  return replaceFile(path, formatTopology(document));
}

/** The same owners and moves, one epoch later if an address changes. */
function readdressed(known: Topology, site: Site): Topology {
  const shards = known.shards.map(({ name }) => memberOf(shardIndexOf(name)!, site));
  const isSame = shards.every(({ address }, index) => address === known.shards[index]!.address);
  return isSame ? known : { ...known, epoch: known.epoch + 1, shards };
}
