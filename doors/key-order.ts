/**
 * The order in which commands of one connection take effect: those that share a key, one after the other as they came;
 * all others side by side. A client that pipelines SET k 1, GET k relies on that, and executors promise no order
 * between commands in flight.
 *
 *   key    → its last writer, and the readers since        a reader waits for the writer, a writer for both
 *   wall   → the last command about all keys               it waits for everybody, everybody later waits for it
 *
 * Readers of a key overtake each other: which of two reads that another connection's write falls between is for nobody
 * to say. Keys are known by a 32-bit hash alone: two that share one wait for each other and nothing worse.
 *
 * Rejected: one command after the other for the whole connection. A pipeline through a router would take as many round
 * trips as it has commands.
 */

/** One command's place in the order. */
export interface Turn {
  /** Hashes of its keys; undefined for commands about all keys. */
  readonly keys: readonly number[] | undefined;
  readonly writes: boolean;
  /** How many it waits for, and who waits for it. KeyOrder's own. */
  waitsFor: number;
  followers: Turn[] | undefined;
}

interface KeyTurns {
  writer: Turn | undefined;
  readonly readers: Turn[];
}

export class KeyOrder<Kind extends Turn> {
  readonly #byKey = new Map<number, KeyTurns>();
  readonly #open = new Set<Turn>();
  #wall: Turn | undefined;

  /** True if the command may begin; else a later `leave` hands it out. */
  enter(turn: Kind): boolean {
    if (turn.keys === undefined) {
      for (const earlier of this.#open) follow(turn, earlier);
      this.#wall = turn;
    } else {
      if (this.#wall !== undefined) follow(turn, this.#wall);
      for (const key of turn.keys) this.#enterKey(turn, key);
    }
    this.#open.add(turn);
    return turn.waitsFor === 0;
  }

  /** The command is done. Answers those that may begin now. */
  leave(turn: Kind): Kind[] {
    this.#open.delete(turn);
    if (this.#wall === turn) this.#wall = undefined;
    for (const key of turn.keys ?? []) this.#leaveKey(turn, key);
    const free: Kind[] = [];
    for (const follower of turn.followers ?? []) {
      follower.waitsFor -= 1;
      if (follower.waitsFor === 0) free.push(follower as Kind);
    }
    turn.followers = undefined;
    return free;
  }

  #enterKey(turn: Turn, key: number): void {
    let turns = this.#byKey.get(key);
    if (turns === undefined) {
      turns = { writer: undefined, readers: [] };
      this.#byKey.set(key, turns);
    }
    if (!turn.writes) {
      if (turns.writer !== undefined) follow(turn, turns.writer);
      turns.readers.push(turn);
      return;
    }
    // Readers wait for the writer before them, so waiting for them is waiting for it.
    if (turns.readers.length > 0) for (const reader of turns.readers) follow(turn, reader);
    else if (turns.writer !== undefined) follow(turn, turns.writer);
    turns.writer = turn;
    turns.readers.length = 0;
  }

  #leaveKey(turn: Turn, key: number): void {
    const turns = this.#byKey.get(key);
    if (turns === undefined) return;
    if (turns.writer === turn) turns.writer = undefined;
    else {
      // Nearly always the first: they end as they came.
      const index = turns.readers.indexOf(turn);
      if (index >= 0) turns.readers.splice(index, 1);
    }
    if (turns.writer === undefined && turns.readers.length === 0) this.#byKey.delete(key);
  }
}

function follow(turn: Turn, earlier: Turn): void {
  // A command may name a key twice.
  if (turn === earlier) return;
  turn.waitsFor += 1;
  earlier.followers ??= [];
  earlier.followers.push(turn);
}

/** Of a long key its ends count: looking at all of it would cost more than a wait now and then. */
const hashedEndBytes = 64;

export function keyOrderHash(key: Buffer): number {
  const { byteLength } = key;
  let hash = byteLength;
  const headEnd = Math.min(byteLength, hashedEndBytes);
  for (let at = 0; at < headEnd; at++) hash = Math.imul(hash ^ key[at]!, 0x0100_0193);
  for (let at = Math.max(headEnd, byteLength - hashedEndBytes); at < byteLength; at++) {
    hash = Math.imul(hash ^ key[at]!, 0x0100_0193);
  }
  return hash;
}
