/** What a RESP door counts: for INFO, and for metrics. */

export class DoorFigures {
  /** Since the start. */
  connectionsAccepted = 0;
  connectionsRefused = 0;
  commands = 0;
  errors = 0;
  protocolErrors = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Connections ended because they had too much unread, or did not move, or were idle for too long. */
  endedUnread = 0;
  endedStalled = 0;
  endedIdle = 0;
  /** Since the start, or CONFIG RESETSTAT. */
  readonly startedAtMs = Date.now();
  #commandsAtReset = 0;
  #connectionsAtReset = 0;
  #sampledCommands = 0;
  #sampledAtMs = Date.now();
  #commandsPerSecond = 0;

  get commandsSinceReset(): number {
    return this.commands - this.#commandsAtReset;
  }

  get connectionsSinceReset(): number {
    return this.connectionsAccepted - this.#connectionsAtReset;
  }

  get commandsPerSecond(): number {
    return this.#commandsPerSecond;
  }

  reset(): void {
    this.#commandsAtReset = this.commands;
    this.#connectionsAtReset = this.connectionsAccepted;
  }

  /** Called every few seconds. */
  sample(nowMs: number): void {
    const elapsedMs = Math.max(1, nowMs - this.#sampledAtMs);
    this.#commandsPerSecond = Math.round(((this.commands - this.#sampledCommands) * 1_000) / elapsedMs);
    this.#sampledCommands = this.commands;
    this.#sampledAtMs = nowMs;
  }
}
