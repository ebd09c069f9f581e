/**
 * What belongs to a plain key and is not its value: a record of its own in a space of its own, which no scan shows and
 * no eviction takes, and which goes with the key's slot.
 *
 *   key   kind(1), then the plain key
 *
 *   V   the clocks of a key that was deleted by a writer with versions    siblings.ts, all of them deletions
 *   L   a lock                                                           its owner
 */
import { type Entry, spaceOfCompanions } from '../journal.ts';
import { slotOf } from '../../topology/slot.ts';
import type { Change } from './change.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';

export const companionKinds = { deletion: 0x56, lock: 0x4c } as const;
export type CompanionKind = (typeof companionKinds)[keyof typeof companionKinds];

/** The name by which the index has a companion of the plain key of this name. */
export function companionName(kind: CompanionKind, name: string): string {
  return String.fromCharCode(kind) + name;
}

/** A write of a companion. Without `body` its deletion. */
export function companionChange(
  kind: CompanionKind,
  key: Buffer,
  expireAtMs: number,
  body: Buffer | undefined,
): Change {
  return {
    space: spaceOfCompanions,
    key: Buffer.concat([Buffer.of(kind), key]),
    name: companionName(kind, nameOf(key)),
    slot: slotOf(key),
    expireAtMs,
    meta: undefined,
    body,
  };
}

/** The live companion of a plain key. */
export function companionOf(keyspace: Keyspace, kind: CompanionKind, key: Buffer): Entry | undefined {
  return keyspace.live(spaceOfCompanions, slotOf(key), companionName(kind, nameOf(key)));
}
