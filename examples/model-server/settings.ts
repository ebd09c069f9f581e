/** The settings of the example, all from its environment. */
export interface ModelServerSettings {
  readonly port: number;
  readonly model: string;
  readonly requestsPerSecond: number;
  readonly blockBytes: number;
  readonly prefillMs: number;
  /** PEM of the authority of the cache's certificate, and the token to show; for a cache that asks for them. */
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  /** Ends by itself after so many requests; 0 for never. */
  readonly requestsMax: number;
}

/** Throws an Error that names what is wrong. */
export function settingsOf(environment: Readonly<Record<string, string | undefined>>): ModelServerSettings {
  const number = (name: string, fallback: number, min: number): number => {
    const written = environment[name];
    const value = written === undefined || written === '' ? fallback : Number(written);
    if (Number.isFinite(value) && value >= min) return value;
    throw new Error(`${name} is '${written}'; it must be a number, at least ${min}`);
  };
  return {
    port: number('PORT', 8_000, 0),
    model: environment['MODEL'] ?? 'model-a',
    requestsPerSecond: number('REQUESTS_PER_SECOND', 2, 0.01),
    blockBytes: number('BLOCK_BYTES', 131_072, 1),
    prefillMs: number('PREFILL_MS', 10, 0),
    caFile: environment['CA_FILE'],
    tokenFile: environment['TOKEN_FILE'],
    requestsMax: number('REQUESTS_MAX', 0, 0),
  };
}
