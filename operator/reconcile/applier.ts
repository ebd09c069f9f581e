/**
 * The verb "apply": every object of a cache as its manifest says, and no request for one that is so already.
 *
 * Server-side apply changes nothing where nothing differs, but asking costs a request an object and pass. So what was
 * applied is remembered with how the object then looked; while neither the manifest nor the object has changed since,
 * there is nothing to ask. A restarted operator asks once for each object, and the API server writes nothing.
 *
 * An object of our name that is somebody else's is never touched: force is for fields, not for objects.
 */
import { createHash } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isInvalid, isNamespaceTerminating, isNotFound, KubeError } from '../kube/kube-error.ts';
import { configMaps, type KubeObject, type Stored } from '../kube/resources.ts';
import type { Manifest } from '../manifests/manifest.ts';
import { fieldManager } from '../manifests/names.ts';
import type { Obstacle } from './assessment.ts';

export interface Owner {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** How an object stands to a cache that wants its name. */
export type Ownership = 'ours' | 'leaving' | 'foreign';

/** What was applied, and how the object looked afterwards. */
export interface Applied {
  readonly body: string;
  readonly look: string;
  /** Of the spec, for kinds that count them: what their controller has to see. */
  readonly generation?: number | undefined;
}

export interface ApplierOptions {
  readonly client: KubeClient;
  readonly find: (manifest: Manifest, namespace: string) => Stored | undefined | 'unwatched';
}

export class Applier {
  readonly #options: ApplierOptions;

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /**
   * Brings one object to what its manifest says. `applied` remembers, by kind and name. Answers what was in the way, if
   * that concerns this object alone; `leaving`: it is being deleted and made anew when it is gone. Rejects with what
   * concerns the API server or a race, for the pass to be repeated.
   */
  async apply(
    manifest: Manifest,
    owner: Owner,
    applied: Map<string, Applied>,
  ): Promise<Obstacle | 'leaving' | undefined> {
    const { resource, name, object } = manifest;
    const key = `${resource.kind} ${name}`;
    const known = await this.#known(manifest, owner, applied.get(key));
    if (known !== undefined) {
      const ownership = ownershipOf(known, owner);
      if (ownership === 'foreign') return object && taken(key, known);
      if (ownership === 'leaving') return 'leaving';
    }
    if (object === undefined) return await this.#remove(manifest, owner, known, applied);
    const body = hashOf(object);
    const before = applied.get(key);
    if (known !== undefined && before?.body === body && before.look === lookOf(known)) return undefined;
    try {
      const stored = await this.#write(manifest, owner, object, known);
      applied.set(key, { body, look: lookOf(stored), generation: stored.metadata.generation });
      return undefined;
    } catch (error) {
      applied.delete(key);
      return refusalOf(error, key);
    }
  }

  /** The object as far as it is known; kinds that are not watched are read when something about them is to be done. */
  async #known(manifest: Manifest, owner: Owner, before: Applied | undefined): Promise<Stored | undefined> {
    const { resource, name, object } = manifest;
    const found = this.#options.find(manifest, owner.namespace);
    if (found !== undefined && found !== 'unwatched') return found;
    // Not ours, or not labelled as ours any more, or not there: one look tells before anything is forced. An object that
    // should not be and is not known is looked for once.
    const isAbsent = object === undefined && (found === undefined || before?.body === '');
    if (isAbsent) return undefined;
    return await this.#options.client.get(resource, { namespace: owner.namespace, name });
  }

  async #write(manifest: Manifest, owner: Owner, object: KubeObject, known: Stored | undefined): Promise<Stored> {
    const { client } = this.#options;
    const { resource } = manifest;
    const isTopology = resource === (configMaps as Manifest['resource']) && manifest.name.endsWith('-topology');
    if (!isTopology) return (await client.apply(resource, object, { known: known ?? null })).object;
    // The topology must follow from the one that was looked at, whoever else writes.
    // An object that was created is owned in another way than one that was applied: the next apply would be a write.
    const seen = known ?? (await client.create(resource, object));
    const { resourceVersion } = seen.metadata;
    const guarded = { ...object, metadata: { ...object.metadata, resourceVersion } };
    return (await client.apply(resource, guarded, { known: seen })).object;
  }

  async #remove(
    { resource, name }: Manifest,
    { namespace }: Owner,
    known: Stored | undefined,
    applied: Map<string, Applied>,
  ): Promise<undefined> {
    if (known !== undefined && known.metadata.deletionTimestamp === undefined) {
      await this.#options.client.delete(resource, { namespace, name }, { uid: known.metadata.uid });
    }
    applied.set(`${resource.kind} ${name}`, { body: '', look: '' });
  }
}

export function ownershipOf({ metadata }: Stored, owner: Owner): Ownership {
  const controller = metadata.ownerReferences?.find((reference) => reference.controller === true);
  const isLabelled =
    metadata.labels?.['app.kubernetes.io/managed-by'] === fieldManager &&
    metadata.labels['app.kubernetes.io/instance'] === owner.name;
  const isOurs = controller === undefined ? isLabelled : controller.uid === owner.uid;
  if (isOurs) return metadata.deletionTimestamp === undefined ? 'ours' : 'leaving';
  // Of a former cache of the same name: the garbage collector is about to take it.
  const isFormer = controller?.kind === 'KVCache' && controller.name === owner.name && isLabelled;
  return isFormer ? 'leaving' : 'foreign';
}

function taken(what: string, { metadata }: Stored): Obstacle {
  const controller = metadata.ownerReferences?.find((reference) => reference.controller === true);
  const whose = controller === undefined ? 'has no owner' : `belongs to ${controller.kind} ${controller.name}`;
  return { kind: 'ObjectTaken', message: `${what} exists and ${whose}; delete or rename it, or choose another name` };
}

/** What the API server has judged concerns this object; the rest concerns the request. */
function refusalOf(error: unknown, what: string): Obstacle {
  const isJudged =
    isInvalid(error) || isNotFound(error) || (error instanceof KubeError && error.reason === 'Forbidden');
  if (!isJudged || isConflict(error) || isNamespaceTerminating(error)) throw error;
  return { kind: 'ApplyFailed', message: `${what}: ${(error as KubeError).message}` };
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}

/**
 * Stands for everything about an object that somebody may have changed. Kinds whose spec has a generation change their
 * resourceVersion with every status too, so that the generation says it better.
 */
function lookOf({ metadata }: Stored): string {
  const { uid, generation, resourceVersion, labels, annotations, ownerReferences } = metadata;
  return generation === undefined
    ? `${uid} ${resourceVersion}`
    : hashOf([uid, generation, labels, annotations, ownerReferences]);
}
