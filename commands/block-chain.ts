/**
 * The longest cached prefix of a prompt, out of the versions that each of its blocks has.
 *
 * A version is (hash, parent): the hash that its writer gave it, and that of the block before it in the writer's
 * prompt. A prefix is a chain of one version a block in which every version's parent is the hash of the one before:
 * joining two that do not belong together would hand a model the KV tensors of another prompt.
 *
 *   without hashes   block 0 takes versions with parent 0; if there is none, its only version, if it has only one
 *   with hashes      block i takes versions with hash i alone, and the prefix ends where the hashes end
 *
 * Several versions of a block may fit at once (colliding hashes, shared middles), and the first that fits may lead
 * into a dead end. So every block keeps all versions that some chain reaches, each with the newest version of the
 * block before that it continues, until a block has none; the chain is then read backwards from the newest version of
 * the last block. Work is at most 60 × 60 comparisons a block, in practice one.
 */

export interface ChainLink {
  readonly hash: bigint;
  readonly parent: bigint;
}

/** A version that a chain reaches, and the one before it. */
interface Reached extends ChainLink {
  readonly before: Reached | undefined;
}

const versionBytes = 16;

/**
 * @param versions For each block in order: 16 bytes a version, hash and parent big-endian, newest first; null for none.
 * @param precomputed The hashes that the caller expects, one a block; empty if it knows none.
 */
export function longestPrefix(versions: readonly (Buffer | null)[], precomputed: readonly bigint[]): ChainLink[] {
  const hashed = precomputed.length > 0;
  const blocks = hashed ? Math.min(versions.length, precomputed.length) : versions.length;
  let reached: Reached[] = [];
  for (let block = 0; block < blocks; block++) {
    const expected = hashed ? BigInt.asUintN(64, precomputed[block]!) : undefined;
    const next = block === 0 ? firsts(versions[0]!, expected) : continued(versions[block]!, expected, reached);
    if (next.length === 0) break;
    reached = next;
  }
  return chainTo(reached[0]);
}

function firsts(versions: Buffer | null, expected: bigint | undefined): Reached[] {
  if (!versions) return [];
  const all: Reached[] = [];
  for (let at = 0; at < versions.byteLength; at += versionBytes) {
    const hash = versions.readBigUInt64BE(at);
    if (expected === undefined || hash === expected) {
      all.push({ hash, parent: versions.readBigUInt64BE(at + 8), before: undefined });
    }
  }
  const starts = all.filter((version) => version.parent === 0n);
  if (starts.length > 0) return starts;
  // Writers that seed their chains give the first block a parent. By its hash such a block is certain; without, only
  // if there is no choice.
  return expected !== undefined || all.length === 1 ? all : [];
}

function continued(versions: Buffer | null, expected: bigint | undefined, previous: readonly Reached[]): Reached[] {
  if (!versions) return [];
  const next: Reached[] = [];
  for (let at = 0; at < versions.byteLength; at += versionBytes) {
    const hash = versions.readBigUInt64BE(at);
    if (expected !== undefined && hash !== expected) continue;
    const parent = versions.readBigUInt64BE(at + 8);
    const before = previous.find((candidate) => candidate.hash === parent);
    if (before) next.push({ hash, parent, before });
  }
  return next;
}

function chainTo(last: Reached | undefined): ChainLink[] {
  const chain: ChainLink[] = [];
  for (let version = last; version; version = version.before) {
    chain.push({ hash: version.hash, parent: version.parent });
  }
  return chain.reverse();
}
