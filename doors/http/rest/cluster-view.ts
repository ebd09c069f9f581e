/** What the process behind the door tells of the cluster that it is part of. */
import type { SlotMap } from '../../../topology/slot-map.ts';

export interface ClusterView {
  readonly role: 'router' | 'shard';
  readonly name: string;
  readonly slots: () => SlotMap;
  /** Of a router: how it reaches each shard. */
  readonly links?: () => readonly { readonly shard: string; readonly state: string }[];
}
