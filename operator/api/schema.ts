/**
 * The KVCache API, declared once in zod. From here come the TypeScript types, the CRD (`crd.ts`), its reference
 * (`reference.ts`) and what the operator knows of defaults.
 *
 * The API server fills in the CRD's defaults before the operator sees an object; `parseKVCache` fills them in once
 * more, so that an object stored under an older CRD, or a test's, is whole too. Both come from the same declaration.
 *
 * Rejected: Kubernetes' usual way round, a YAML or Go type as the source, from which TypeScript types are generated:
 * defaults, bounds and rules would then be written twice.
 */
import type { V1ObjectMeta } from '@kubernetes/client-node';
import { z } from 'zod';
import { KvcacheError } from '../../errors.ts';
import { kubernetesNameCharsMax } from '../../limits.ts';
import { field } from './field.ts';
import { spec } from './spec.ts';
import { status } from './status.ts';

export const apiGroup = 'kvcache.dev';
export const apiVersionName = 'v1alpha1';
export const apiVersion = `${apiGroup}/${apiVersionName}`;
export const kind = 'KVCache';
export const plural = 'kvcaches';
export const singular = 'kvcache';
export const shortName = 'kvc';

/** The whole object as the CRD describes it; metadata are the API server's own business. */
export const kvcacheSchema = field(
  z.object({ spec, status: status.optional() }),
  'A cache of shards and routers: a shared prompt and key-value cache for model serving.',
  {
    rules: [
      {
        rule: `size(self.metadata.name) <= ${kubernetesNameCharsMax} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,
        message: `metadata.name must be at most ${kubernetesNameCharsMax} lower-case letters, digits and dashes and begin with a letter: names of pods and Services are made of it`,
      },
      {
        rule: "!self.metadata.name.endsWith('-shards') && !self.metadata.name.endsWith('-routers')",
        message: 'metadata.name must not end in -shards or -routers: another cache’s Services have such names',
      },
    ],
  },
);

/** With defaults applied. */
export type KVCacheSpec = z.output<typeof spec>;
/** As a user writes it: whatever has a default may be missing. */
export type KVCacheSpecInput = z.input<typeof spec>;
export type KVCacheStatus = z.output<typeof status>;

export interface KVCache {
  readonly apiVersion: typeof apiVersion;
  readonly kind: typeof kind;
  /** Name, namespace and uid are there in whatever the API server has answered. */
  readonly metadata: V1ObjectMeta;
  readonly spec: KVCacheSpec;
  readonly status?: KVCacheStatus | undefined;
}

/** An object from the API server with all defaults. Throws KvcacheError CONFIG where it does not fit the schema. */
export function parseKVCache(object: unknown): KVCache {
  const result = kvcacheSchema.safeParse(object);
  const { metadata } = (object ?? {}) as { readonly metadata?: V1ObjectMeta };
  if (!result.success) {
    const faults = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new KvcacheError(
      'CONFIG',
      `the KVCache ${metadata?.name ?? ''} does not fit its schema: ${faults.join('; ')}`,
    );
  }
  return { apiVersion, kind, metadata: metadata ?? {}, ...result.data };
}

/** The spec with all defaults. Throws ZodError on what the schema refuses. */
export function defaultedSpec(input: KVCacheSpecInput): KVCacheSpec {
  return spec.parse(input);
}
