/** What a running side is to a scenario: where it listens, which processes it is, and what to tell about it. */
export interface SideProcess {
  readonly name: string;
  readonly about: string;
  readonly pids: readonly number[];
  /** Of its RESP door or server; 0 where it has none. */
  readonly respPort: number;
  /** host:port of gRPC; empty where it has none. */
  readonly grpc: string;
}
