/** The log of a process: a line of JSON an event on standard output, by pino. */
import { type Logger, pino } from 'pino';
import type { Settings } from '../settings/schema.ts';

export type { Logger } from 'pino';

/** `verbose` is the name by which KVStoreV2 calls `debug`. */
export function pinoLevel(level: Settings['log_level']): string {
  return level === 'verbose' ? 'debug' : level;
}

/** Synchronous, so that the last words of a dying process are written. */
export function createLogger(level: Settings['log_level'], identity: Readonly<Record<string, string>>): Logger {
  return pino({ level: pinoLevel(level), base: identity, timestamp: pino.stdTimeFunctions.isoTime });
}
