/** An engine with its parts, for tests: a standing clock, a hot tier, and a journal in RAM or none. */
import { type Acknowledgement, type CommandContext, libraryContext } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { HotTier } from '../shard/hot/hot-tier.ts';
import { Engine } from '../shard/keyspace/engine.ts';
import { KeyIndex } from '../shard/keyspace/key-index.ts';
import { ManualClock } from './engine-clock.ts';
import { MemoryJournal } from './engine-journal.ts';

const MiB = 1024 * 1024;

type Argument = string | number | Buffer;

export interface TestShardOptions {
  readonly withJournal?: boolean;
  readonly hotBytes?: number;
  readonly acknowledgement?: Acknowledgement;
  readonly minimumAcknowledgement?: Acknowledgement;
  readonly diskThresholdBytes?: number;
  readonly indexBytesMax?: number;
}

export class TestShard {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly hot: HotTier;
  readonly index: KeyIndex;
  readonly journal = new MemoryJournal();
  readonly engine: Engine;

  constructor(options: TestShardOptions = {}) {
    this.hot = new HotTier({ limitBytes: options.hotBytes ?? 64 * MiB });
    this.index = new KeyIndex(this.hot, this.clock);
    this.engine = new Engine({
      clock: this.clock,
      index: this.index,
      hot: this.hot,
      journal: options.withJournal === false ? undefined : this.journal,
      options: {
        acknowledgement: options.acknowledgement ?? 'memory',
        minimumAcknowledgement: options.minimumAcknowledgement ?? 'memory',
        diskThresholdBytes: options.diskThresholdBytes ?? 1_000_000,
        ...(options.indexBytesMax !== undefined && { indexBytesMax: options.indexBytesMax }),
      },
    });
  }

  /** The reply to a command given as text and buffers, such as `run('SET', 'key', 'value', 'PX', 5)`, given at once. */
  run(name: string, ...args: Argument[]): Reply {
    const reply = this.#execute({}, name, args);
    if (reply instanceof Promise) throw new Error(`${name} was not answered at once`);
    return reply;
  }

  /** The same for a command that may have to wait. */
  begin(name: string, ...args: Argument[]): Promise<Reply> {
    return this.beginIn({}, name, ...args);
  }

  async beginIn(context: Partial<CommandContext>, name: string, ...args: Argument[]): Promise<Reply> {
    return this.#execute(context, name, args);
  }

  /** Drops every copy in RAM: the next reads go below. */
  chill(): void {
    const limitBytes = this.hot.limitBytes;
    this.hot.limitBytes = 0;
    this.hot.limitBytes = limitBytes;
  }

  #execute(context: Partial<CommandContext>, name: string, args: readonly Argument[]): Reply | Promise<Reply> {
    const command = { name, args: args.map((item) => (Buffer.isBuffer(item) ? item : Buffer.from(String(item)))) };
    const deadlineMs = this.clock.now() + 3_600_000;
    return this.engine.execute(command, { ...libraryContext(0), deadlineMs, ...context });
  }
}
