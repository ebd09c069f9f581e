/** What every protocol's listener is to the process that opens it: the same whether gRPC, HTTP, RESP or typed TCP. */
export interface DoorAddress {
  readonly host: string;
  readonly port: number;
}

export interface Door {
  /** For logs and lists of addresses: `grpc`, `http`, … */
  readonly protocol: string;
  /** Begins to serve. Port 0 lets the system choose; rejects if the address is taken. */
  listen(): Promise<DoorAddress>;
  /** Takes nothing new, lets what is under way finish for so long, then ends every connection. */
  close(graceMs: number): Promise<void>;
}

/** Where a door writes what it notices; pino's loggers fit. */
export interface DoorLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
