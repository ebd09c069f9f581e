/**
 * The keyspace as a library: Redis' commands in this process, with ioredis' method names, arguments and replies, and
 * without a socket.
 *
 *   const engine = new MemoryEngine({ maxMemory: '256MiB' });
 *   await engine.set('greeting', 'hello', 'EX', 60);
 *   await engine.hgetall('user:1');            // { name: '…' }
 *   await engine.getBuffer('greeting');        // <Buffer …>
 *
 *   method → commandArguments → the shard's own Engine, without a log → engineReply
 *
 * For tests, and for services of one process that may need a shared cache one day: then `new Redis(…)` takes its place
 * and nothing else changes. Every method answers a promise, and calls back where its last argument is a function; what
 * it does is done before it returns. Beyond `maxMemory` the least recently used keys go, as in a cache.
 *
 * Methods are put on the prototype by name (methods.ts), so that a command has one way in; their types are ioredis' own.
 * Rejected: a class with a method written out for every command, three hundred signatures that would have to follow
 * ioredis'; and a Proxy, which answers to every name and cannot be looked into.
 */
import { callbackify } from 'node:util';
import { type CommandContext, libraryContext } from '../commands/command.ts';
import { commandTable } from '../commands/table.ts';
import { KvcacheError } from '../errors.ts';
import { engineMemoryBytesMin, hotShareMin, indexShareOfMemoryMax } from '../limits.ts';
import { parseBytes } from '../settings/units.ts';
import { systemClock } from '../shard/clock.ts';
import { HotTier } from '../shard/hot/hot-tier.ts';
import { Engine } from '../shard/keyspace/engine.ts';
import { KeyIndex } from '../shard/keyspace/key-index.ts';
import { commandArguments, type EngineArgument } from './command-arguments.ts';
import { type EngineReply, engineReply } from './command-reply.ts';
import { type EngineMethods, installMethods } from './methods.ts';
import { EnginePipeline } from './pipeline.ts';
import { processReply } from './process-commands.ts';

export interface MemoryEngineOptions {
  /** Bytes, or a size such as '256MiB': of keys, values and what both take beside. Default 256 MiB. */
  readonly maxMemory?: number | string;
}

const defaultMemory = '256MiB';

/** Node's way of calling back. */
type Callback = (error: Error | null, result: EngineReply) => void;

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the methods are installed below
export interface MemoryEngine extends EngineMethods {}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class MemoryEngine {
  readonly #engine: Engine;
  readonly #hot: HotTier;
  readonly #index: KeyIndex;
  readonly #maxBytes: number;

  /** Throws KvcacheError CONFIG for a size that is none, or too small for anything. */
  constructor({ maxMemory = defaultMemory }: MemoryEngineOptions = {}) {
    const bytes = parseBytes(maxMemory);
    if (bytes === undefined || bytes < engineMemoryBytesMin) {
      throw new KvcacheError(
        'CONFIG',
        `maxMemory is ${maxMemory}; it must be a size such as '256MiB' or a number of bytes, ${engineMemoryBytesMin} at least`,
      );
    }
    this.#maxBytes = bytes;
    this.#hot = new HotTier({ limitBytes: bytes });
    this.#index = new KeyIndex(this.#hot, systemClock);
    this.#engine = new Engine({
      clock: systemClock,
      hot: this.#hot,
      index: this.#index,
      options: {
        acknowledgement: 'memory',
        minimumAcknowledgement: 'memory',
        diskThresholdBytes: bytes,
        indexBytesMax: bytes * indexShareOfMemoryMax,
      },
    });
  }

  /** Does any command by its name. */
  call(name: string, ...args: EngineArgument[]): Promise<EngineReply> {
    return this.#call(name.toUpperCase(), args, false);
  }

  /** The same, with Buffers for bytes. */
  callBuffer(name: string, ...args: EngineArgument[]): Promise<EngineReply> {
    return this.#call(name.toUpperCase(), args, true);
  }

  /** Collects commands that `exec` does one after the other. */
  pipeline(): EnginePipeline {
    return new EnginePipeline((name, args, asBuffers) => this.#run(name, args, asBuffers));
  }

  /** Bytes that keys and values take, with what both take beside. */
  get usedMemory(): number {
    return this.#index.bytes + this.#hot.bytes;
  }

  /** Forgets everything and ends its timers; later commands are refused. */
  quit(): Promise<'OK'> {
    this.disconnect();
    return Promise.resolve('OK');
  }

  disconnect(): void {
    this.#engine.close();
    this.#hot.limitBytes = 0;
  }

  #call(name: string, args: readonly EngineArgument[], asBuffers: boolean): Promise<EngineReply> {
    const last = args.at(-1);
    if (typeof last !== 'function') return this.#run(name, args, asBuffers);
    const result = this.#run(name, args.slice(0, -1), asBuffers);
    callbackify(() => result)(last as Callback);
    return result;
  }

  async #run(name: string, args: readonly EngineArgument[], asBuffers: boolean): Promise<EngineReply> {
    const context: CommandContext = libraryContext(Infinity);
    const command = { name, args: commandArguments(name, args) };
    const reply = processReply(name, command.args) ?? (await this.#engine.execute(command, context));
    if (commandTable.get(name)?.writes === true) this.#yieldToIndex();
    return engineReply(name, reply, asBuffers);
  }

  /** What keys take of the memory is not there for values. */
  #yieldToIndex(): void {
    this.#hot.limitBytes = Math.max(this.#maxBytes * hotShareMin, this.#maxBytes - this.#index.bytes);
  }

  static {
    installMethods(MemoryEngine.prototype, (engine, name, args, asBuffers) => engine.#call(name, args, asBuffers));
  }
}
