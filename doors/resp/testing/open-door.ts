/** For tests: a RESP door at a port that the system chose. */
import type { Executor } from '../../../commands/command.ts';
import { Authenticator } from '../../../security/authenticator.ts';
import { SingleNode } from '../cluster-nodes.ts';
import { RespDoor, type RespDoorOptions } from '../resp-door.ts';
import { RespClient } from './resp-client.ts';

export class OpenDoor implements AsyncDisposable {
  readonly door: RespDoor;
  readonly port: number;
  readonly #clients: RespClient[] = [];

  private constructor(door: RespDoor, port: number) {
    this.door = door;
    this.port = port;
  }

  static async open(executor: Executor, options: Partial<RespDoorOptions> = {}): Promise<OpenDoor> {
    const door = new RespDoor({
      host: '127.0.0.1',
      port: 0,
      executor,
      settings: { get: () => '{}', update: () => undefined },
      cluster: new SingleNode('test'),
      authenticator: new Authenticator(),
      ...options,
    });
    return new OpenDoor(door, (await door.listen()).port);
  }

  async client(): Promise<RespClient> {
    const client = await RespClient.open(this.port);
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    await this.door.close(0);
  }
}
