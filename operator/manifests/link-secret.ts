/**
 * The secret of the internal port, where the user brings none.
 *
 * It is made once and never applied again: another value would cut off every pod until all have read it. Whoever wants
 * another one writes it into the Secret as its first line, above the old one, and takes the old one out later.
 */
import type { V1Secret } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { secrets, type Wire } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { linkSecretKey, namesOf } from './names.ts';

/** Bytes of randomness in the secret. */
export const linkSecretBytes = 32;

/** `text` is what the caller has drawn: builders are pure. Undefined object where the user brings a secret. */
export function linkSecret(cache: KVCache, text: string): Manifest<Wire<V1Secret>> {
  const { linkSecret: name } = namesOf(cache);
  if (cache.spec.security.link.secret !== undefined) return { resource: secrets, name, object: undefined };
  return {
    resource: secrets,
    name,
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadataOf(cache, name),
      type: 'Opaque',
      data: { [linkSecretKey]: Buffer.from(`${text}\n`).toString('base64') },
    },
  };
}
