/**
 * `kubectl kvcache scale N`: another number of shards, by the scale subresource, and how far the operator is with it.
 *
 * The number is in the object as soon as the command says so; the command may be ended at any time, and the same one
 * again shows the rest.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { KvcacheError } from '../../errors.ts';
import { kubernetesShardsMax, timerMsMax } from '../../limits.ts';
import type { KVCache } from '../../operator/api/schema.ts';
import { parseDurationMs } from '../../settings/units.ts';
import { cacheResource, nameOfCache } from '../kubernetes/find-cache.ts';
import type { Kubectl } from '../kubernetes/kubectl.ts';
import { cacheOf } from '../kubernetes/plugin-flags.ts';
import { isTrue, messageOfCondition, scalingSentence } from '../kubernetes/words.ts';
import { shardCountUpTo } from '../shard-count.ts';
import { styled, type Terminal } from '../terminal.ts';

interface ScaleFlags {
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addKubernetesScale(program: Command, terminal: Terminal): void {
  const command = program
    .command('scale')
    .summary('change the number of shards of a KVCache')
    .description('Sets the number of shards and waits until every key is where it belongs, while the cache serves.')
    .argument('<shards>', `how many there should be, 1 to ${kubernetesShardsMax}`, shardCountUpTo(kubernetesShardsMax))
    .option('--no-wait', 'return as soon as the number is set; status shows how far it is')
    .option('--timeout <time>', 'how long to wait, such as 10m', timeoutMsOf, 3_600_000)
    .option('--json', 'print a line of JSON for every step')
    .addHelpText(
      'after',
      `
Examples:
  kubectl kvcache scale 5
  kubectl kvcache scale 2 --cache prompts -n models --no-wait

Ctrl-C ends the command and not the change. Exit codes: 0 done, 1 another number was set meanwhile or the time was
over, 2 a number that cannot be.`,
    );
  command.action(async (shards: number, flags: ScaleFlags) => {
    const { kubectl, cache } = await cacheOf(command);
    const name = nameOfCache(cache);
    const from = cache.spec.shards.replicas;
    await kubectl.run(['scale', cacheResource, name, `--replicas=${shards}`]);
    const view = new ScaleView(terminal, flags.json ?? false);
    view.show(
      from === shards ? `${name} is to have ${shards} shards already` : `scaling from ${from} to ${shards} shards`,
    );
    if (!flags.wait) return;
    view.end(await untilScaled(kubectl, name, shards, { timeoutMs: flags.timeout, view }), shards);
  });
}

function timeoutMsOf(text: string): number {
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs !== undefined && timeoutMs > 0) return Math.min(timeoutMs, timerMsMax);
  throw new InvalidArgumentError('It must be a duration such as 90s, 10m or 2h.');
}

/** A line of JSON, and its message alone without `--json`. */
interface Said {
  readonly kind: 'accepted' | 'progress' | 'blocked' | 'done';
  readonly message: string;
  readonly epoch?: number | undefined;
}

/** A line whenever there is something new to say: progress by tenths, and what is in the way. */
class ScaleView {
  readonly #terminal: Terminal;
  readonly #isJson: boolean;
  #tenths = -1;
  /** What was said last of each kind. */
  readonly #last = new Map<Said['kind'], string>();

  constructor(terminal: Terminal, isJson: boolean) {
    this.#terminal = terminal;
    this.#isJson = isJson;
  }

  show(message: string): void {
    this.#say({ kind: 'accepted', message });
  }

  progress(cache: KVCache): void {
    const { scaling } = cache.status ?? {};
    // Before anything moves there is nothing to add to what was said at first.
    if (scaling !== undefined && scaling.slotsMoving > 0) {
      const { bytesMoved, bytesLeft } = scaling;
      const tenths = Math.floor((10 * bytesMoved) / Math.max(1, bytesMoved + bytesLeft));
      if (tenths > this.#tenths) this.#say({ kind: 'progress', message: scalingSentence(scaling), ...scaling });
      // While clients write, the way gets longer now and then.
      this.#tenths = Math.max(tenths, this.#tenths);
    }
    const blocked = isTrue(cache, 'ScaleBlocked') ? messageOfCondition(cache, 'ScaleBlocked') : undefined;
    if (blocked !== undefined) this.#say({ kind: 'blocked', message: blocked });
  }

  end(cache: KVCache, shards: number): void {
    const message = `${shards} shards serve`;
    if (this.#isJson) this.#say({ kind: 'done', message, epoch: cache.status?.epoch });
    else this.#terminal.line(styled(this.#terminal, 'green', message));
  }

  #say(said: Said): void {
    if (this.#last.get(said.kind) === said.message) return;
    this.#last.set(said.kind, said.message);
    this.#terminal.line(this.#isJson ? JSON.stringify(said) : said.message);
  }
}

async function untilScaled(
  kubectl: Kubectl,
  name: string,
  shards: number,
  { timeoutMs, view }: { timeoutMs: number; view: ScaleView },
): Promise<KVCache> {
  const timeout = AbortSignal.timeout(timeoutMs);
  // The API server ends every watch after a while; the next one begins with the object as it is.
  while (!timeout.aborted) {
    for await (const cache of kubectl.watch<KVCache>(cacheResource, name, timeout)) {
      if (cache.metadata.deletionTimestamp !== undefined) throw new KvcacheError('ERR', `${name} is being deleted`);
      const { replicas } = cache.spec.shards;
      if (replicas !== shards) {
        throw new KvcacheError('ERR', `${replicas} shards were asked for meanwhile instead of ${shards}`);
      }
      view.progress(cache);
      if (isSettled(cache, shards)) return cache;
    }
  }
  throw new KvcacheError(
    'TIMEOUT',
    `${name} does not have ${shards} shards yet; the change goes on, and 'kubectl kvcache status' shows how far it is`,
  );
}

/** Whether the operator has seen the number and has nothing left to do. */
function isSettled(cache: KVCache, shards: number): boolean {
  const { metadata, status } = cache;
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return false;
  return (
    status.scaling === undefined &&
    status.replicas === shards &&
    !isTrue(cache, 'Progressing') &&
    isTrue(cache, 'Ready')
  );
}
