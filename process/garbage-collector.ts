/** V8's collector by hand, for who knows better than it when much has become garbage. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A full collection of this thread's heap, and of the buffers that it keeps alive; it has ended when the call returns. */
export function garbageCollector(): () => void {
  // V8 looks at the flag when a context is made.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return () => collect();
}
