/** Which KVCache a command of the plugin is about: the one of a name, or the only one of the namespace. */
import { KvcacheError } from '../../errors.ts';
import type { KVCache } from '../../operator/api/schema.ts';
import type { Kubectl } from './kubectl.ts';

/** In full, for another kind of the same short name may be in the cluster. */
export const cacheResource = 'kvcaches.kvcache.dev';

/** Throws KvcacheError CONFIG where there is none, or where there are several and no name. */
export async function findCache(kubectl: Kubectl, name: string | undefined): Promise<KVCache> {
  if (name !== undefined) return kubectl.json<KVCache>(['get', cacheResource, name]);
  const { items } = await kubectl.json<{ items: readonly KVCache[] }>(['get', cacheResource]);
  const [only, ...others] = items;
  if (only === undefined) {
    throw new KvcacheError('CONFIG', 'there is no KVCache in this namespace; name another with -n NAMESPACE');
  }
  if (others.length > 0) {
    const names = items.map(({ metadata }) => metadata.name).join(', ');
    throw new KvcacheError(
      'CONFIG',
      `this namespace has ${items.length} KVCaches: ${names}; name one with --cache NAME`,
    );
  }
  return only;
}

export function nameOfCache({ metadata }: KVCache): string {
  return metadata.name!;
}
