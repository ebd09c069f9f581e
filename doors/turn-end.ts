/**
 * The connections of a door that have got replies in this turn of the event loop, and will send them when all sockets
 * that could be read have been.
 *
 * A client's pipeline goes to several shards, whose replies come on as many sockets: sent as they come, each would be a
 * write of its own, and a write costs as much as several commands.
 */
interface Waiting {
  onTurnEnd(): void;
}

export class TurnEnd {
  #waiting: Waiting[] = [];
  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each.onTurnEnd();
  };

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#waiting.length === 1) setImmediate(this.#run);
  }
}
