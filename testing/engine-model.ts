/**
 * What an engine has to answer, in the simplest form: a map, and every command in the order in which it came.
 *
 * Keys and values are latin1 text. Expiry is asked for at the moment of a command; nothing is ever cleaned up.
 */
import { type Reply, ReplyError } from '../commands/reply.ts';

interface Stored {
  readonly value: string;
  /** 0 for never. */
  readonly expireAtMs: number;
}

export interface SetModifiers {
  /** Undefined: without expiry. */
  readonly expireAtMs?: number | undefined;
  readonly keepsExpiry?: boolean | undefined;
  readonly condition?: 'NX' | 'XX' | undefined;
}

export class EngineModel {
  readonly #stored = new Map<string, Stored>();
  /** Versions of a block, newest first, by digest. */
  readonly #blocks = new Map<string, { readonly key: string; readonly value: string }[]>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get(key: string): string | null {
    return this.#live(key)?.value ?? null;
  }

  /** Keys that have not expired. */
  keys(): string[] {
    return [...this.#stored.keys()].filter((key) => this.#live(key) !== undefined);
  }

  expireAtMs(key: string): number | undefined {
    return this.#live(key)?.expireAtMs;
  }

  set(key: string, value: string, modifiers: SetModifiers = {}): Reply {
    const live = this.#live(key);
    if (modifiers.condition === 'NX' && live !== undefined) return null;
    if (modifiers.condition === 'XX' && live === undefined) return null;
    const expireAtMs = modifiers.keepsExpiry ? (live?.expireAtMs ?? 0) : (modifiers.expireAtMs ?? 0);
    this.#stored.set(key, { value, expireAtMs });
    return 'OK';
  }

  del(keys: readonly string[]): Reply {
    let count = 0;
    for (const key of keys) {
      if (this.#live(key) !== undefined) count += 1;
      this.#stored.delete(key);
    }
    return count;
  }

  /** `undefined` persists. */
  expire(key: string, expireAtMs: number | undefined): Reply {
    const live = this.#live(key);
    if (live === undefined || (expireAtMs === undefined && live.expireAtMs === 0)) return 0;
    this.#stored.set(key, { value: live.value, expireAtMs: expireAtMs ?? 0 });
    return 1;
  }

  /** The new length. */
  append(key: string, more: string): Reply {
    const live = this.#live(key);
    const value = (live?.value ?? '') + more;
    this.#stored.set(key, { value, expireAtMs: live?.expireAtMs ?? 0 });
    return value.length;
  }

  /** Lists are kept as JSON. The new length. */
  push(key: string, element: string): Reply {
    const live = this.#live(key);
    const elements = [...listOf(live), element];
    this.#stored.set(key, { value: JSON.stringify(elements), expireAtMs: live?.expireAtMs ?? 0 });
    return elements.length;
  }

  /** Takes the first element; a list without any is no key. */
  pop(key: string): string | null {
    const live = this.#live(key);
    const [first, ...rest] = listOf(live);
    if (rest.length === 0) this.#stored.delete(key);
    else this.#stored.set(key, { value: JSON.stringify(rest), expireAtMs: live!.expireAtMs });
    return first ?? null;
  }

  getAndDelete(key: string): string | null {
    const value = this.get(key);
    this.#stored.delete(key);
    return value;
  }

  /** With `replaces` RENAME, without RENAMENX: the reply, or the error's code. */
  rename(from: string, to: string, replaces: boolean): unknown {
    const live = this.#live(from);
    if (live === undefined) return { error: 'ERR' };
    if (!replaces && this.#live(to) !== undefined) return 0;
    this.#stored.delete(from);
    this.#stored.set(to, live);
    return replaces ? 'OK' : 1;
  }

  copy(from: string, to: string): unknown {
    const live = this.#live(from);
    if (from === to) return { error: 'ERR' };
    if (live === undefined) return 0;
    this.#stored.set(to, live);
    return 1;
  }

  putBlock(digest: string, key: string, value: string): Reply {
    const versions = this.#blocks.get(digest) ?? [];
    if (!versions.some((version) => version.key === key)) this.#blocks.set(digest, [{ key, value }, ...versions]);
    return 'OK';
  }

  blockVersions(digest: string): readonly string[] {
    return (this.#blocks.get(digest) ?? []).map(({ key }) => key);
  }

  block(digest: string, key: string): string | null {
    return this.#blocks.get(digest)?.find((version) => version.key === key)?.value ?? null;
  }

  /** Evicted by storage. */
  lose(name: string, digest: string | undefined): void {
    if (digest === undefined) this.#stored.delete(name);
    else
      this.#blocks.set(
        digest,
        this.#blocks.get(digest)!.filter(({ key }) => key !== name),
      );
  }

  get blocks(): number {
    return [...this.#blocks.values()].reduce((sum, versions) => sum + versions.length, 0);
  }

  #live(key: string): Stored | undefined {
    const stored = this.#stored.get(key);
    if (stored === undefined || (stored.expireAtMs !== 0 && stored.expireAtMs <= this.#now())) return undefined;
    return stored;
  }
}

function listOf(stored: Stored | undefined): string[] {
  return stored === undefined ? [] : (JSON.parse(stored.value) as string[]);
}

/** A reply with its bytes as latin1 text, and errors by their code. */
export function plainReply(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (Array.isArray(reply)) return reply.map(plainReply);
  if (reply instanceof ReplyError) return { error: reply.code };
  return reply;
}
