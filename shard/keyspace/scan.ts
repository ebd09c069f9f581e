/**
 * Scans over all keys, page by page, in an order that no change disturbs: by slot, then by the key's hash. A cursor is a
 * place in it (commands/scan-cursor.ts).
 *
 * A key's place in this order never changes, so a key that is there from the first page to the last is returned once
 * and only once, whatever is written meanwhile, and a cursor means the same on every shard. Keys of one hash are never
 * parted by a page, since a cursor could not tell them apart.
 *
 * A page looks at whole leaves of the index (slot-map.ts), some thousands of keys at most, and sorts what it needs of
 * them. Rejected: an index sorted by key, which would answer prefixes faster and make every write pay for it.
 */
import type { ScanPosition } from '../../commands/scan-cursor.ts';
import { scanPageBytesMax, slotCount } from '../../limits.ts';
import type { Entry, LentEntry } from '../journal.ts';
import { keyHash, slotOfPrefix } from './key-hash.ts';
import { hashEnd, type Run, type SlotMap } from './slot-map.ts';

export interface ScanRequest {
  readonly from: ScanPosition;
  /** Latin1, as keys in the index. */
  readonly prefix: string;
  /** Keys of a page at most, unless more have one hash. */
  readonly count: number;
  /** Keys that are looked at, but for the rest of a leaf. */
  readonly examinedMax: number;
  /** Whether the page will carry values, whose bytes count as those of keys do. */
  readonly withValues: boolean;
  /** Whether a key with the prefix is shown. */
  readonly shows: (entry: LentEntry) => boolean;
}

export interface ScanPage {
  readonly entries: Entry[];
  /** Where the next page begins; undefined if there is none. */
  readonly next: ScanPosition | undefined;
  /** Keys looked at. */
  readonly examined: number;
}

interface Hashed {
  readonly hash: number;
  readonly entry: LentEntry;
}

export function scanPage(keys: SlotMap<LentEntry>, request: ScanRequest): ScanPage {
  const onlySlot = slotOfPrefix(request.prefix);
  const lastSlot = onlySlot ?? slotCount - 1;
  const page = new PageBuilder(request);
  let { slot, boundary } = request.from;
  if (onlySlot !== undefined && slot < onlySlot) [slot, boundary] = [onlySlot, 0];
  while (slot <= lastSlot) {
    const run = keys.run(slot, boundary);
    if (run !== undefined) {
      if (page.examined >= request.examinedMax) return page.endingAt({ slot, boundary });
      const stoppedAt = page.add(run.leaf, boundary);
      if (stoppedAt !== undefined) return page.endingAt({ slot, boundary: stoppedAt });
    }
    if (run === undefined || run.end === hashEnd) [slot, boundary] = [slot + 1, 0];
    else boundary = run.end;
  }
  return page.endingAt(undefined);
}

class PageBuilder {
  examined = 0;
  readonly #request: ScanRequest;
  readonly #entries: Entry[] = [];
  #bytes = 0;

  constructor(request: ScanRequest) {
    this.#request = request;
  }

  endingAt(next: ScanPosition | undefined): ScanPage {
    return { entries: this.#entries, next, examined: this.examined };
  }

  /** Adds the matching keys of a leaf in the order of hashes; the hash at which the page was full, if it was. */
  add(leaf: Run<LentEntry>['leaf'], boundary: number): number | undefined {
    this.examined += leaf.size;
    const found = this.#matches(leaf.values(), boundary);
    for (let from = 0; from < found.length;) {
      let to = from + 1;
      while (to < found.length && found[to]!.hash === found[from]!.hash) to++;
      const group = found.slice(from, to);
      if (!this.#fits(group)) return group[0]!.hash;
      for (const { entry } of group) this.#take(entry);
      from = to;
    }
    return undefined;
  }

  #matches(entries: Iterable<LentEntry>, boundary: number): Hashed[] {
    const { prefix, shows } = this.#request;
    const found: Hashed[] = [];
    for (const entry of entries) {
      if (!entry.key.startsWith(prefix)) continue;
      const hash = keyHash(entry.key);
      if (hash >= boundary && shows(entry)) found.push({ hash, entry });
    }
    return found.sort((left, right) => left.hash - right.hash);
  }

  /** A page takes at least one group of equal hashes, however large: else a scan would not get on. */
  #fits(group: readonly Hashed[]): boolean {
    if (this.#entries.length === 0) return true;
    if (this.#entries.length + group.length > this.#request.count) return false;
    const groupBytes = group.reduce((sum, { entry }) => sum + this.#bytesOf(entry), 0);
    return this.#bytes + groupBytes <= scanPageBytesMax;
  }

  #bytesOf({ key, bodyBytes }: LentEntry): number {
    return key.length + (this.#request.withValues ? bodyBytes : 0);
  }

  #take(entry: LentEntry): void {
    this.#entries.push(entry.keep());
    this.#bytes += this.#bytesOf(entry);
  }
}
