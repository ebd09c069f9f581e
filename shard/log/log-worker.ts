/** The log's worker thread: does the tasks of log-tasks.ts one after the other. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import { type LogTask, perform } from './log-tasks.ts';

let queue: Promise<void> = Promise.resolve();
parentPort?.on('message', ({ id, task }: { id: number; task: LogTask }) => {
  // One task at a time: compaction must not outrun its bandwidth by running twice.
  queue = queue.then(async () => {
    try {
      parentPort!.postMessage({ id, result: await perform(task) });
    } catch (error) {
      parentPort!.postMessage({ id, error: messageOf(error), code: (error as NodeJS.ErrnoException).code });
    }
  });
});
