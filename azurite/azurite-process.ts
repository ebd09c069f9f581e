/**
 * The child process that is Azurite: its blob service, ended gently when whoever started it goes away.
 *
 * Azurite itself knows SIGTERM and SIGINT only. A parent killed with SIGKILL would leave it holding its port and its
 * folder for ever; the closed channel to the parent tells this process instead. The other way round, an open channel
 * would keep the process alive after Azurite has closed, so a signal closes it. And Azurite begins to listen for signals
 * a moment after it has said that it answers; a signal in between is kept for it.
 */
import { createRequire } from 'node:module';

let isEnding = false;

function end(): void {
  if (isEnding) return;
  isEnding = true;
  if (process.connected) process.disconnect?.();
  // Otherwise Azurite listens already and is being told by the very signal that told us.
  if (process.listenerCount('SIGTERM') === 0) tellAzurite();
}

function tellAzurite(): void {
  if (process.listenerCount('SIGTERM') === 0) setTimeout(tellAzurite, 10);
  else process.emit('SIGTERM');
}

process.once('SIGTERM', end);
process.once('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 0) process.emit('SIGTERM');
  else end();
});
process.once('disconnect', () => {
  if (!isEnding) process.emit('SIGTERM');
});
createRequire(import.meta.url)('azurite/dist/src/blob/main.js');
