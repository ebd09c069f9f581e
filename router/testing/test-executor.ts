/** For tests: a shard's engine without a log, and a place to step in before it. */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { OK, type Reply } from '../../commands/reply.ts';
import { systemClock } from '../../shard/clock.ts';
import { HotTier } from '../../shard/hot/hot-tier.ts';
import { Engine } from '../../shard/keyspace/engine.ts';
import type { CommandHandler } from '../../shard/keyspace/handler.ts';
import { KeyIndex } from '../../shard/keyspace/key-index.ts';
import { keyInfo } from '../../shard/value-info.ts';

const hotBytes = 512 * 1024 * 1024;

export class TestExecutor implements Executor {
  readonly name: string;
  /** Every command in the order it came, and the context of the last. */
  readonly seen: string[] = [];
  lastContext: CommandContext | undefined;
  /** An answer in the engine's place, undefined to let the engine answer. */
  intercept: ((command: Command, context: CommandContext) => Reply | Promise<Reply> | undefined) | undefined;
  readonly #engine: Engine;

  constructor(name: string) {
    this.name = name;
    const hot = new HotTier({ limitBytes: hotBytes });
    this.#engine = new Engine({
      clock: systemClock,
      hot,
      index: new KeyIndex(hot, systemClock),
      options: { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: hotBytes },
      extraCommands: new Map<string, CommandHandler>([
        ['FLUSH', () => OK],
        ['KEY.INFO', ([key]) => keyInfo(this.#engine.keyspace, undefined, key!)],
        ['SHARDINFO', () => Buffer.from(JSON.stringify({ name }))],
      ]),
    });
  }

  /** Keys stored. */
  get size(): number {
    return this.#engine.stats().keys;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.seen.push(command.name);
    this.lastContext = context;
    const reply = this.intercept?.(command, context);
    return reply === undefined ? this.#engine.execute(command, context) : reply;
  }

  close(): void {
    this.#engine.close();
  }
}
