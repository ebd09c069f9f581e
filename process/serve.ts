/**
 * The life of a server process: start, wait for a reason to end, end in order.
 *
 *   signal while starting     ends at once with 0: nothing was acknowledged yet, and the log is safe against crashes
 *   first SIGTERM, SIGINT,
 *   SIGHUP, parent gone       stop(): drain, flush; 0 when done within the grace period, 1 beyond it
 *   second signal             ends at once with 128 + its number
 *   fault while starting      logged, said in one sentence on standard error, its own code
 *   fault outside any call    logged, 70
 *   `failed` settles          the service cannot go on (fenced): logged, its own code
 *
 * A terminal sends Ctrl-C to the whole process group, as `timeout` and service managers do with SIGTERM, and the launcher
 * in front hands on what it gets: signals of one kind that come within a moment of each other are one.
 */
import { constants } from 'node:os';
import { KvcacheError, messageOf } from '../errors.ts';
import { orphanGraceMs, signalRepeatMs } from '../limits.ts';
import { exitCodes } from './exit-codes.ts';
import type { Logger } from './log.ts';

/** A running shard or router. */
export interface Service {
  /** Where it listens, by door: host:port. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Drains, flushes and closes. Rejects where something acknowledged may not be as safe as it should be. */
  stop(): Promise<void>;
  /** Resolves with the reason, should the service become unable to go on. */
  readonly failed: Promise<KvcacheError>;
}

/** What a child process tells its parent over the channel between them. */
export interface ReadyMessage {
  readonly kind: 'ready';
  readonly addresses: Readonly<Record<string, string>>;
}

const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
type StopReason = (typeof stopSignals)[number] | 'parent gone';

/** Calls `onStop` for every signal to end, those of one kind and moment merged, and when the parent process goes away. */
export function onStopRequests(onStop: (reason: StopReason) => void): void {
  for (const signal of stopSignals) {
    let lastMs = -Infinity;
    process.on(signal, () => {
      const now = performance.now();
      const isRepeat = now - lastMs < signalRepeatMs;
      lastMs = now;
      if (!isRepeat) onStop(signal);
    });
  }
  if (process.channel) {
    process.once('disconnect', () => onStop('parent gone'));
    // The channel tells when the parent goes; it must not keep an ended process alive.
    process.channel.unref();
  }
}

function exitCodeOfFailure(error: unknown): number {
  if (!(error instanceof KvcacheError)) return exitCodes.fault;
  if (error.code === 'FENCED') return exitCodes.fenced;
  if (error.code === 'LOCKED') return exitCodes.locked;
  if (error.code === 'CONFIG') return exitCodes.usage;
  return exitCodes.failed;
}

/** Runs a service to its end, which is the process's end. */
export async function serve(
  start: () => Promise<Service>,
  options: { readonly logger: Logger; readonly graceMs: number },
): Promise<never> {
  const { logger, graceMs } = options;
  const fault = (error: unknown): never => {
    logger.fatal({ err: error }, 'a fault that nothing caught ends the process');
    process.exit(exitCodes.fault);
  };
  process.on('uncaughtException', fault);
  process.on('unhandledRejection', fault);

  let service: Service | undefined;
  let isStopping = false;
  onStopRequests((reason) => {
    if (isStopping && reason === 'parent gone') return;
    if (isStopping) {
      logger.warn({ reason }, 'a second signal: ending at once');
      process.exit(128 + constants.signals[reason as (typeof stopSignals)[number]]);
    }
    isStopping = true;
    logger.info({ reason }, 'stopping');
    void end(service, reason === 'parent gone' ? Math.min(graceMs, orphanGraceMs) : graceMs, logger);
  });

  try {
    service = await start();
  } catch (error) {
    logger.fatal(error instanceof KvcacheError ? { code: error.code } : { err: error }, messageOf(error));
    // Whoever started it by hand should not have to read JSON; a supervisor has the sentence from the log.
    if (!process.channel) process.stderr.write(`kvcache: ${messageOf(error)}\n`);
    process.exit(exitCodeOfFailure(error));
  }
  logger.info({ addresses: service.addresses }, 'ready');
  process.send?.({ kind: 'ready', addresses: service.addresses } satisfies ReadyMessage);
  const failure = await service.failed;
  logger.fatal({ code: failure.code }, failure.message);
  process.exit(exitCodeOfFailure(failure));
}

async function end(service: Service | undefined, graceMs: number, logger: Logger): Promise<never> {
  const began = performance.now();
  const timer = setTimeout(() => {
    logger.error({ graceMs }, 'not done within shutdown.grace: ending with what is not flushed left to recovery');
    process.exit(exitCodes.failed);
  }, graceMs);
  try {
    await service?.stop();
  } catch (error) {
    logger.error({ err: error }, 'stopping failed; recovery will mend it');
    process.exit(exitCodes.failed);
  }
  clearTimeout(timer);
  logger.info({ tookMs: Math.round(performance.now() - began) }, 'stopped');
  process.exit(exitCodes.ok);
}
