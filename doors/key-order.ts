/**
 * The order in which commands of one connection take effect: those that share a key, one after the other as they came;
 * all others side by side. A client that pipelines SET k 1, GET k relies on that, and executors promise no order
 * between commands in flight.
 *
 *   places[hash]  → newest use of a key → older → … → oldest      a reader waits for the newest writer, a writer for the
 *                                                                 readers since, or if there are none for the writer
 *   wall          → the last command about all keys               it waits for everybody, everybody later waits for it
 *
 * Readers of a key overtake each other: which of two reads that another connection's write falls between is for nobody
 * to say. Keys are known by a 32-bit hash alone: two that share one wait for each other and nothing worse.
 *
 * The uses of keys are linked through themselves, so a command with one key allocates one small object here, and finds
 * and leaves its place without a look at any other.
 *
 * Rejected: one command after the other for the whole connection. A pipeline through a router would take as many round
 * trips as it has commands. A Map by key, with its readers in an array and the open commands in a Set: for a command that
 * meets nobody, which is nearly every one, that took four times as long.
 */

/** One command's place in the order. */
export interface Turn {
  /** The hash of its key, or of its keys; undefined for commands about all keys. */
  readonly keys: number | readonly number[] | undefined;
  readonly writes: boolean;
  /** How many it waits for, who waits for it, and its uses of keys. KeyOrder's own. */
  waitsFor: number;
  followers: Turn[] | undefined;
  uses: KeyUse | KeyUse[] | undefined;
}

/** One command's use of one key, among the uses of its place. */
class KeyUse {
  readonly turn: Turn;
  readonly key: number;
  /** The newest writer of the key before it, done or not. */
  writer: KeyUse | undefined = undefined;
  older: KeyUse | undefined = undefined;
  newer: KeyUse | undefined = undefined;
  isDone = false;

  constructor(turn: Turn, key: number) {
    this.turn = turn;
    this.key = key;
  }
}

const placesFirst = 16;
const nobody: readonly never[] = [];

export class KeyOrder<Kind extends Turn> {
  /** The newest use of each place; as many places as there are uses, or more. Empty before the first. */
  #places: (KeyUse | undefined)[] = [];
  #uses = 0;
  #wall: Turn | undefined;

  /** True if the command may begin; else a later `leave` hands it out. */
  enter(turn: Kind): boolean {
    const { keys } = turn;
    if (this.#wall !== undefined) follow(turn, this.#wall);
    if (typeof keys === 'number') turn.uses = this.#use(turn, keys);
    else if (keys !== undefined) turn.uses = keys.map((key) => this.#use(turn, key));
    else this.#enterWall(turn);
    return turn.waitsFor === 0;
  }

  /** The command is done. Answers those that may begin now. */
  leave(turn: Kind): readonly Kind[] {
    const { uses, followers } = turn;
    if (this.#wall === turn) this.#wall = undefined;
    if (Array.isArray(uses)) for (const use of uses) this.#remove(use);
    else if (uses !== undefined) this.#remove(uses);
    turn.uses = undefined;
    if (followers === undefined) return nobody;
    turn.followers = undefined;
    return followers.filter((follower) => (follower.waitsFor -= 1) === 0) as Kind[];
  }

  /** It may wait for one command several times, which will count down as often. */
  #enterWall(turn: Turn): void {
    for (const newest of this.#places) {
      for (let use = newest; use !== undefined; use = use.older) follow(turn, use.turn);
    }
    this.#wall = turn;
  }

  #use(turn: Turn, key: number): KeyUse {
    if (this.#uses === this.#places.length) this.#makePlaces();
    const use = new KeyUse(turn, key);
    let last = this.#places[this.#placeOf(key)];
    while (last !== undefined && last.key !== key) last = last.older;
    if (last !== undefined) {
      use.writer = last.turn.writes ? last : last.writer;
      if (turn.writes && !last.turn.writes) followReaders(turn, last);
      else if (use.writer !== undefined && !use.writer.isDone) follow(turn, use.writer.turn);
    }
    this.#link(use);
    this.#uses += 1;
    return use;
  }

  #placeOf(key: number): number {
    return (key ^ (key >>> 15)) & (this.#places.length - 1);
  }

  #link(use: KeyUse): void {
    const place = this.#placeOf(use.key);
    const newest = this.#places[place];
    use.newer = undefined;
    use.older = newest;
    if (newest !== undefined) newest.newer = use;
    this.#places[place] = use;
  }

  #remove(use: KeyUse): void {
    const { older, newer } = use;
    if (newer === undefined) this.#places[this.#placeOf(use.key)] = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
    use.isDone = true;
    use.writer = undefined;
    this.#uses -= 1;
  }

  #makePlaces(): void {
    const before = this.#places;
    this.#places = Array.from({ length: Math.max(placesFirst, before.length * 2) });
    for (const newest of before) {
      const uses: KeyUse[] = [];
      for (let use = newest; use !== undefined; use = use.older) uses.push(use);
      // The oldest first, so that the newest ends in front again.
      for (const use of uses.reverse()) this.#link(use);
    }
  }
}

/** The readers since the last writer: they wait for that, so waiting for them is waiting for it. */
function followReaders(turn: Turn, newest: KeyUse): void {
  for (let use: KeyUse | undefined = newest; use !== undefined; use = use.older) {
    if (use.key !== newest.key) continue;
    if (use.turn.writes) return;
    follow(turn, use.turn);
  }
}

function follow(turn: Turn, earlier: Turn): void {
  // A command may name a key twice.
  if (turn === earlier) return;
  turn.waitsFor += 1;
  earlier.followers ??= [];
  earlier.followers.push(turn);
}
