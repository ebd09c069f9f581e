/**
 * PING, ECHO and TIME: commands about no key and no connection, which whoever is asked answers at once. The RESP door and
 * the engine as a library have them from here; executors never see them.
 */
export interface KeylessCommand {
  /** Number of arguments without the name. */
  readonly arguments: { readonly min: number; readonly max: number };
  readonly run: (args: readonly Buffer[]) => Buffer | string | Buffer[];
}

export const ping: KeylessCommand = { arguments: { min: 0, max: 1 }, run: ([text]) => text ?? 'PONG' };
export const echo: KeylessCommand = { arguments: { min: 1, max: 1 }, run: ([text]) => text! };
export const time: KeylessCommand = { arguments: { min: 0, max: 0 }, run: timeOfDay };

/** Seconds since 1970, and the microseconds of the second. */
function timeOfDay(): Buffer[] {
  const now = Date.now();
  // Node's clock has no microseconds since 1970; what is below a millisecond is that of the process.
  const microseconds = (now % 1_000) * 1_000 + Math.floor((performance.now() * 1_000) % 1_000);
  return [Buffer.from(`${Math.floor(now / 1_000)}`), Buffer.from(`${microseconds}`)];
}
