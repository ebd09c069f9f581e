/**
 * The verb "volumes": disks that grow.
 *
 * A claim that asks for less than the spec is patched where its storage class allows it. The StatefulSet's own template
 * cannot be changed: the StatefulSet is deleted with its pods orphaned, and applied again, which adopts them; no pod is
 * restarted by it. That is done last, so that an operator killed in between finds claims or template still too small.
 */
import type { ShardSetView, VolumeView } from './view.ts';

export interface VolumesInput {
  readonly wantedBytes: number;
  readonly volumes: readonly VolumeView[];
  readonly shardSet: ShardSetView | undefined;
  /** Whether a storage class lets its volumes grow; undefined if that could not be learnt. */
  readonly canGrow: (storageClass: string | undefined) => boolean | undefined;
}

export interface VolumesDecision {
  readonly grow: readonly VolumeView[];
  /** Claims that are too small and cannot grow. */
  readonly stuck: readonly VolumeView[];
  /** The StatefulSet must be made anew for its template to follow. */
  readonly remake: boolean;
}

export function decideVolumes({ wantedBytes, volumes, shardSet, canGrow }: VolumesInput): VolumesDecision {
  const small = volumes.filter(({ requestedBytes, isTerminating }) => requestedBytes < wantedBytes && !isTerminating);
  // Where the class cannot be read, the API server's answer to the patch tells.
  const stuck = small.filter(({ storageClass }) => canGrow(storageClass) === false);
  const grow = small.filter((volume) => !stuck.includes(volume));
  const templateBytes = shardSet?.volumeBytes;
  const isTemplateSmall = templateBytes !== undefined && templateBytes < wantedBytes;
  return { grow, stuck, remake: isTemplateSmall && grow.length === 0 && shardSet?.isTerminating === false };
}
