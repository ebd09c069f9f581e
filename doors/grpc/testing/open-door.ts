/** A gRPC door over a real engine in RAM, for tests: what it was asked is recorded, and faults can step in. */
import { credentials } from '@grpc/grpc-js';
import type { Command, CommandContext, Executor } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { KeyValueServiceClient } from '../../../protos/generated/kv.ts';
import { KeyValueStoreClient } from '../../../protos/generated/keyvaluestore.ts';
import { KVStoreClient } from '../../../protos/generated/versionedstore.ts';
import { KVStoreServiceClient } from '../../../protos/generated/kvstore.ts';
import { MemoryCache } from '../../../testing/memory-cache.ts';
import { GrpcDoor, type GrpcDoorOptions } from '../grpc-door.ts';

const unbounded = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

export class OpenDoor implements Executor {
  readonly commands: Command[] = [];
  readonly contexts: CommandContext[] = [];
  /** Answers in the engine's place, or undefined to let the engine answer. */
  intercept: (command: Command) => Reply | Promise<Reply> | undefined = () => undefined;
  readonly door: GrpcDoor;
  readonly #cache = new MemoryCache();
  readonly #clients: { close(): void }[] = [];
  #address = '';

  constructor(options: Partial<GrpcDoorOptions> = {}) {
    const config = { get: () => '{}', update: () => undefined };
    this.door = new GrpcDoor({ host: '127.0.0.1', port: 0, executor: this, config, ...options });
  }

  async open(): Promise<this> {
    const { host, port } = await this.door.listen();
    this.#address = `${host}:${port}`;
    this.door.serving = true;
    return this;
  }

  /** host:port */
  get address(): string {
    return this.#address;
  }

  /** Clients as the users of these contracts generate them. */
  blockClient(): KVStoreServiceClient {
    const client = new KVStoreServiceClient(this.#address, credentials.createInsecure(), unbounded);
    this.#clients.push(client);
    return client;
  }

  keyClient(): KeyValueServiceClient {
    const client = new KeyValueServiceClient(this.#address, credentials.createInsecure(), unbounded);
    this.#clients.push(client);
    return client;
  }

  plainClient(): KeyValueStoreClient {
    const client = new KeyValueStoreClient(this.#address, credentials.createInsecure(), unbounded);
    this.#clients.push(client);
    return client;
  }

  versionedClient(): KVStoreClient {
    const client = new KVStoreClient(this.#address, credentials.createInsecure(), unbounded);
    this.#clients.push(client);
    return client;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.commands.push(command);
    this.contexts.push(context);
    const reply = this.intercept(command);
    return reply === undefined ? this.#cache.engineReply(command, context) : reply;
  }

  /** Commands of a name that arrived. */
  count(name: string): number {
    return this.commands.filter((command) => command.name === name).length;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.door.close(0);
    await this.#cache.close();
  }
}
