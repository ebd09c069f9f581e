/** What a RESP door counts: for INFO, and for metrics. */

export class DoorFigures {
  /** Since the start. */
  commands = 0;
  errors = 0;
  protocolErrors = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Connections ended because they had too much unread, or did not move. */
  endedUnread = 0;
  endedStalled = 0;
  /** Since the start, or CONFIG RESETSTAT. */
  readonly startedAtMs = Date.now();
  #commandsAtReset = 0;
  #acceptedAtReset = 0;
  #sampledCommands = 0;
  #sampledAtMs = Date.now();
  #commandsPerSecond = 0;

  get commandsSinceReset(): number {
    return this.commands - this.#commandsAtReset;
  }

  /** Of the connections that the listener has accepted so far. */
  acceptedSinceReset(accepted: number): number {
    return accepted - this.#acceptedAtReset;
  }

  get commandsPerSecond(): number {
    return this.#commandsPerSecond;
  }

  reset(accepted: number): void {
    this.#commandsAtReset = this.commands;
    this.#acceptedAtReset = accepted;
  }

  /** Called every few seconds. */
  sample(nowMs: number): void {
    const elapsedMs = Math.max(1, nowMs - this.#sampledAtMs);
    this.#commandsPerSecond = Math.round(((this.commands - this.#sampledCommands) * 1_000) / elapsedMs);
    this.#sampledCommands = this.commands;
    this.#sampledAtMs = nowMs;
  }
}
