/**
 * The network between a client and an API server, as a TCP proxy that does what networks do: pass, reset, or swallow
 * everything without a word, also on connections that stand.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export type NetworkMode = 'pass' | 'reset' | 'swallow';

export class Network {
  readonly #server: Server;
  readonly #pairs = new Map<Socket, Socket>();
  #mode: NetworkMode = 'pass';
  /** Connections that clients made. */
  accepted = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Network> {
    const server = createServer({ allowHalfOpen: true });
    const network = new Network(server);
    server.on('connection', (socket) => network.#onConnection(socket, port));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that stand now. */
  get open(): number {
    return this.#pairs.size;
  }

  set mode(mode: NetworkMode) {
    this.#mode = mode;
    for (const [client, server] of this.#pairs) {
      if (mode === 'reset') {
        client.resetAndDestroy();
        server.destroy();
      } else if (mode === 'swallow') {
        client.unpipe(server).resume();
        server.unpipe(client).resume();
      }
      // What was swallowed is lost: such a connection never passes anything again, as after a change of routes.
    }
  }

  async close(): Promise<void> {
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onConnection(client: Socket, port: number): void {
    this.accepted += 1;
    if (this.#mode === 'reset') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#pairs.set(client, server);
    const forget = (): void => {
      this.#pairs.delete(client);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', forget).on('close', forget);
    if (this.#mode === 'swallow') client.resume();
    else client.pipe(server).pipe(client);
  }
}
