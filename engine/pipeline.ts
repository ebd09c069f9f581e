/**
 * Commands that are collected, and done one after the other when `exec` says so: ioredis' pipeline, which saves round
 * trips there and nothing here, for programs that are written with it.
 */
import { KvcacheError } from '../errors.ts';
import { enginePipelineCommandsMax } from '../limits.ts';
import type { EngineArgument } from './command-arguments.ts';
import type { EngineReply } from './command-reply.ts';
import { type PipelineMethods, installMethods } from './methods.ts';

type Run = (name: string, args: readonly EngineArgument[], asBuffers: boolean) => Promise<EngineReply>;

interface Collected {
  readonly name: string;
  readonly args: readonly EngineArgument[];
  readonly asBuffers: boolean;
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the methods are installed below
export interface EnginePipeline extends PipelineMethods<EnginePipeline> {}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class EnginePipeline {
  readonly #run: Run;
  #collected: Collected[] = [];

  constructor(run: Run) {
    this.#run = run;
  }

  /** Commands that wait for `exec`. */
  get length(): number {
    return this.#collected.length;
  }

  /** Does them in order; for each its error or null, and its result. A command that fails stops no other. */
  async exec(): Promise<[error: Error | null, result: unknown][]> {
    const commands = this.#collected;
    this.#collected = [];
    const running = commands.map(({ name, args, asBuffers }) => this.#run(name, args, asBuffers));
    const results = await Promise.allSettled(running);
    return results.map((result) =>
      result.status === 'fulfilled' ? [null, result.value] : [result.reason as Error, undefined],
    );
  }

  #collect(command: Collected): this {
    if (this.#collected.length === enginePipelineCommandsMax) {
      throw new KvcacheError('TOOLARGE', `a pipeline takes ${enginePipelineCommandsMax} commands; exec these first`);
    }
    this.#collected.push(command);
    return this;
  }

  static {
    installMethods(EnginePipeline.prototype, (pipeline, name, args, asBuffers) =>
      pipeline.#collect({ name, args, asBuffers }),
    );
  }
}
