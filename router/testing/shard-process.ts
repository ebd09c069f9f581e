/** For tests: a shard over a Map in a process of its own, to be stopped and killed. Prints its port when it listens. */
import { TestExecutor } from './test-executor.ts';
import { ServedShard } from './cluster.ts';

const [name = 'shard-0', port = '0', heartbeatMs = '50'] = process.argv.slice(2);
const shard = await ServedShard.start(name, new TestExecutor(name), Number(port), {
  heartbeatMs: Number(heartbeatMs),
});
process.stdout.write(`${shard.port}\n`);
