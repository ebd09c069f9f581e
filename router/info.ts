/** What a router tells of itself over the internal port: the reply to ROUTERINFO. */
import type { LinkState } from '../link/shard-link.ts';
import type { Router } from './router.ts';

export interface RouterInfo {
  readonly name: string;
  readonly pid: number;
  readonly uptimeMs: number;
  /** The topology epoch that it runs by. */
  readonly epoch: number;
  readonly links: readonly { readonly shard: string; readonly state: LinkState; readonly epoch: number | undefined }[];
  /** Since the start. */
  readonly commands: number;
}

export function routerInfo(name: string, router: Router): RouterInfo {
  const { epoch, links, commands } = router.stats();
  return {
    name,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1_000),
    epoch,
    links: links.map(({ shard, state, shardEpoch }) => ({ shard, state, epoch: shardEpoch })),
    commands,
  };
}
