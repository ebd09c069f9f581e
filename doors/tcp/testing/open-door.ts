/** A door of the binary protocol over a real engine in RAM, for tests. Commands can be stepped in on. */
import type { Command, CommandContext, Executor } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { Authenticator } from '../../../security/authenticator.ts';
import { MemoryCache } from '../../../testing/memory-cache.ts';
import { TcpDoor, type TcpDoorOptions } from '../tcp-door.ts';
import { RawClient } from './raw-client.ts';

export class OpenTcpDoor implements Executor {
  readonly commands: Command[] = [];
  readonly contexts: CommandContext[] = [];
  intercept: (command: Command) => Reply | Promise<Reply> | undefined = () => undefined;
  readonly door: TcpDoor;
  readonly cache = new MemoryCache();
  readonly #clients: RawClient[] = [];
  #address = '';

  constructor(options: Partial<TcpDoorOptions> = {}) {
    this.door = new TcpDoor({
      host: '127.0.0.1',
      port: 0,
      executor: this,
      authenticator: new Authenticator(),
      ...options,
    });
  }

  /** host:port */
  get address(): string {
    return this.#address;
  }

  async open(): Promise<this> {
    const { host, port } = await this.door.listen();
    this.#address = `${host}:${port}`;
    return this;
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.open(this.#address);
    this.#clients.push(client);
    return client;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.commands.push(command);
    this.contexts.push(context);
    if (command.name === 'SHARDINFO') return Buffer.from('{"keys":3,"hot":{"bytes":10},"disk":{"bytes":20}}');
    const reply = this.intercept(command);
    return reply === undefined ? this.cache.engineReply(command, context) : reply;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.door.close(0);
    await this.cache.close();
  }
}
