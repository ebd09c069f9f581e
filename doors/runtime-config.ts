/** The settings that clients may read and change while the process runs: the one function behind gRPC's and HTTP's. */

export interface RuntimeConfig {
  /** Nested JSON, secrets masked. */
  get(): string | Promise<string>;
  /** What is wrong with the change; undefined when it was made, everywhere and for good. */
  update(json: string): string | undefined | Promise<string | undefined>;
}

/** What a client may know of a setting before it changes one. */
export interface SettingFacts {
  readonly name: string;
  readonly description: string;
  /** Such as `a number from 1 to 100000`. */
  readonly expected: string;
  readonly isChangeable: boolean;
}
