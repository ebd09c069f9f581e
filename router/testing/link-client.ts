/** For tests: one link and promises of its replies. */
import { type Acknowledgement, type Command, type CommandContext, libraryContext } from '../../commands/command.ts';
import type { Reply } from '../../commands/reply.ts';
import { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import { ShardLink, type LinkState, type ShardLinkOptions } from '../../link/shard-link.ts';

export class LinkClient {
  readonly link: ShardLink;
  readonly #waiting = new Set<() => void>();

  constructor(port: number, options: Partial<ShardLinkOptions> = {}) {
    this.link = new ShardLink({
      shard: 'shard-0',
      address: `127.0.0.1:${port}`,
      deadlines: new DeadlineWheel(),
      onState: () => {
        for (const wake of this.#waiting) wake();
      },
      ...options,
    });
  }

  /** Resolves when the link is in this state. */
  async state(state: LinkState): Promise<void> {
    while (this.link.state !== state) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  send(command: Command, context: CommandContext): Promise<Reply> {
    return new Promise((resolve) => {
      this.link.submit(command, context, 1, { reply: (_, reply) => resolve(reply) }, 0);
    });
  }

  run(name: string, ...args: (string | Buffer)[]): Promise<Reply> {
    return this.runWith(libraryContext(30_000), name, ...args);
  }

  runWith(context: CommandContext, name: string, ...args: (string | Buffer)[]): Promise<Reply> {
    return this.send({ name, args: args.map((argument) => Buffer.from(argument)) }, context);
  }

  runAt(acknowledgement: Acknowledgement, name: string, ...args: (string | Buffer)[]): Promise<Reply> {
    return this.runWith(libraryContext(30_000, acknowledgement), name, ...args);
  }
}
