/** The things that the scaler does, done to a local cluster: processes, folders, files and links. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { GivenSettings } from '../../settings/schema.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import type { ClusterLinks, ClusterReport, LinkedProcess } from './cluster-links.ts';
import { type Desired, writeDesired } from './desired.ts';
import { type Layout, shardIndexOf, shardPlaceOf, shardPortsOf, type Site } from './layout.ts';
import { loopback, type MemberPlan, shardPlan } from './members.ts';
import { requireFreePorts } from './ports.ts';
import type { Processes } from './processes.ts';
import type { ScaleHost } from './scaler.ts';
import { membersOf, writeTopology } from './topology-file.ts';

export interface LocalHostOptions {
  readonly layout: Layout;
  readonly site: Site;
  readonly given: GivenSettings;
  readonly processes: Processes;
  readonly links: ClusterLinks;
  readonly say: (sentence: string) => void;
}

export class LocalHost implements ScaleHost {
  readonly #options: LocalHostOptions;

  constructor(options: LocalHostOptions) {
    this.#options = options;
  }

  shards(): readonly string[] {
    return this.#options.processes.plans().flatMap(({ role, id }) => (role === 'shard' ? [id] : []));
  }

  isUp(name: string): boolean {
    return this.#options.processes.stateOf(name) === 'ready';
  }

  async start(name: string): Promise<void> {
    const { layout, site, given, processes } = this.#options;
    const place = shardPlaceOf(shardIndexOf(name)!, site);
    await requireFreePorts(loopback, shardPortsOf(place), site.portBase);
    await processes.start(shardPlan(layout, place, given));
  }

  remove(name: string): Promise<void> {
    return this.#options.processes.remove(name);
  }

  /** Moved aside first: half a folder must not be taken for a shard's data. */
  async deleteFolder(name: string): Promise<void> {
    const { dataPath } = shardPlaceOf(shardIndexOf(name)!, this.#options.site);
    const aside = `${dataPath}.deleting`;
    await rm(aside, { recursive: true, force: true });
    if (!existsSync(dataPath)) return;
    await rename(dataPath, aside);
    await rm(aside, { recursive: true, force: true });
    this.say(`the folder of ${name} is deleted`);
  }

  report(): Promise<ClusterReport> {
    return this.#options.links.report(linkedProcesses(this.#options.processes.plans()));
  }

  membersOf(desired: Desired): readonly TopologyShard[] {
    return membersOf(desired, this.#options.site);
  }

  async publish(topology: Topology): Promise<void> {
    await writeTopology(topology, this.#options.layout.topologyPath);
    await this.#options.links.push(topology);
  }

  topologyOf(name: string): Promise<Topology> {
    return this.#options.links.topologyOf(name);
  }

  store(desired: Desired): Promise<void> {
    return writeDesired(this.#options.layout.desiredPath, desired);
  }

  rest(): void {
    this.#options.links.close();
  }

  say(sentence: string): void {
    this.#options.say(sentence);
  }
}

/** The processes with an internal port. */
export function linkedProcesses(plans: readonly MemberPlan[]): LinkedProcess[] {
  return plans.flatMap(({ role, id, addresses }) =>
    role === 'azurite' || addresses.link === undefined ? [] : [{ role, name: id, address: addresses.link }],
  );
}
