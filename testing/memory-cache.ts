/**
 * A cache in RAM behind real gRPC doors, for tests of clients: the shard's engine without a log, and a place to step
 * in between doors and engine where a test needs a fault.
 */
import { addBlockService } from '../doors/grpc/block-service.ts';
import { addCacheService } from '../doors/grpc/cache-service.ts';
import type { Command, CommandContext, Executor } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { GrpcServer } from '../grpc/server.ts';
import { systemClock } from '../shard/clock.ts';
import { HotTier } from '../shard/hot/hot-tier.ts';
import { Engine } from '../shard/keyspace/engine.ts';
import { KeyIndex } from '../shard/keyspace/key-index.ts';
import { keyInfo } from '../shard/value-info.ts';

const hotBytes = 256 * 1024 * 1024;

/** Answers in the engine's place, or undefined to let the engine answer. */
export type Interception = (command: Command, context: CommandContext) => Reply | Promise<Reply> | undefined;

export class MemoryCache implements Executor {
  /** Every command that arrived, in order. */
  readonly seen: { readonly name: string; readonly context: CommandContext }[] = [];
  intercept: Interception = () => undefined;
  readonly #engine: Engine;
  #server: GrpcServer | undefined;
  #port = 0;

  constructor() {
    const hot = new HotTier({ limitBytes: hotBytes });
    this.#engine = new Engine({
      clock: systemClock,
      hot,
      index: new KeyIndex(hot, systemClock),
      options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: hotBytes },
      extraCommands: new Map([['KEY.INFO', ([key]) => keyInfo(this.#engine.keyspace, undefined, key!)]]),
    });
  }

  /** host:port, the same after a restart. */
  get server(): string {
    return `127.0.0.1:${this.#port}`;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.seen.push({ name: command.name, context });
    const reply = this.intercept(command, context);
    return reply === undefined ? this.engineReply(command, context) : reply;
  }

  /** What the engine answers, whatever stands in between. */
  engineReply(command: Command, context: CommandContext): Reply | Promise<Reply> {
    return this.#engine.execute(command, context);
  }

  async start(): Promise<void> {
    const server = new GrpcServer();
    addCacheService(server, this);
    addBlockService({ server, executor: this, log: undefined });
    this.#port = await server.listen('127.0.0.1', this.#port);
    this.#server = server;
  }

  /** Ends the doors and every connection; what is stored stays. */
  async stop(): Promise<void> {
    await this.#server?.close(0);
    this.#server = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    this.#engine.close();
  }
}
