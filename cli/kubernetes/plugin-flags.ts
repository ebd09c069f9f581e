/** The flags that every command of the plugin takes, before or after its name, and the KVCache that they mean. */
import type { Command } from 'commander';
import type { KVCache } from '../../operator/api/schema.ts';
import { findCache } from './find-cache.ts';
import { type KubeFlags, Kubectl } from './kubectl.ts';

interface PluginFlags extends KubeFlags {
  readonly cache?: string;
}

export interface FoundCache {
  readonly kubectl: Kubectl;
  readonly cache: KVCache;
}

export function addPluginFlags(program: Command): Command {
  return program
    .option('-n, --namespace <name>', 'the namespace of the KVCache; else that of the context')
    .option('--context <name>', 'the context of the kubeconfig')
    .option('--kubeconfig <file>', 'the kubeconfig to use')
    .option('--cache <name>', 'the KVCache; needed only where the namespace has several');
}

/** The KVCache that the command is about, found by its flags. */
export async function cacheOf(command: Command): Promise<FoundCache> {
  const flags = command.optsWithGlobals<PluginFlags>();
  const kubectl = new Kubectl(flags);
  return { kubectl, cache: await findCache(kubectl, flags.cache) };
}
