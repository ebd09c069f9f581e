/** The log of a process: a line of JSON an event on standard output, by pino. */
import { type Logger, pino } from 'pino';
import type { LiveSettings } from '../settings/live.ts';
import type { Settings } from '../settings/schema.ts';

export type { Logger } from 'pino';

/** `verbose` is the name by which KVStoreV2 calls `debug`. */
function pinoLevel(settings: Settings): string {
  const level = settings['log_level'];
  return level === 'verbose' ? 'debug' : level;
}

/** Synchronous, so that the last words of a dying process are written. Follows `log_level` while the process runs. */
export function createLogger(live: LiveSettings, identity: Readonly<Record<string, string>>): Logger {
  const logger = pino({ level: pinoLevel(live.current), base: identity, timestamp: pino.stdTimeFunctions.isoTime });
  live.onChange((settings) => {
    logger.level = pinoLevel(settings);
  });
  return logger;
}
