/**
 * The log's worker thread: does the tasks of log-tasks.ts one after the other, and collects what each has left behind.
 *
 * V8 would not: to the collector of this thread a task's buffers are little, and a shard of 64 MiB kept 50 MiB of them. A
 * thread for each task would cost more, for it starts in 40 ms, and a collection takes 5.
 */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import { garbageCollector } from '../../process/garbage-collector.ts';
import { type LogTask, perform } from './log-tasks.ts';

const collect = garbageCollector();

let queue: Promise<void> = Promise.resolve();
parentPort?.on('message', ({ id, task }: { id: number; task: LogTask }) => {
  // One task at a time: compaction must not outrun its bandwidth by running twice.
  queue = queue.then(() => answer(id, task)).then(collect);
});

async function answer(id: number, task: LogTask): Promise<void> {
  try {
    parentPort!.postMessage({ id, result: await perform(task) });
  } catch (error) {
    parentPort!.postMessage({ id, error: messageOf(error), code: (error as NodeJS.ErrnoException).code });
  }
}
