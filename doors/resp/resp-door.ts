/**
 * The RESP door: Redis' protocol on one port, over an executor that is given to it. The same on router and shard, but for
 * the cluster that it shows.
 */
import type { Socket } from 'node:net';
import type { Session } from '../../commands/command.ts';
import { socketInFlightBytesMax } from '../../limits.ts';
import type { Door, DoorAddress } from '../door.ts';
import type { ReceiveMemory } from '../../receive-memory.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import {
  type ListenedConnection,
  type ListenerStatistics,
  type SocketDoorOptions,
  SocketListener,
} from '../socket-listener.ts';
import { Catalogue } from './catalogue.ts';
import { Client, ClientRegistry } from './client.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { Connection } from './connection.ts';
import type { DoorParts } from './door-parts.ts';
import { DoorFigures } from './figures.ts';
import { InFlightBudget } from '../in-flight-budget.ts';
import { TurnEnd } from '../turn-end.ts';
import { ReplyWriter } from './reply-writer.ts';
import { sessionCommands } from './session/session-commands.ts';

export interface RespDoorOptions extends SocketDoorOptions {
  readonly settings: RuntimeConfig;
  readonly cluster: ClusterNodes;
  /** For large arguments; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
}

export interface RespStatistics extends ListenerStatistics {
  readonly bytesInFlight: number;
  readonly figures: DoorFigures;
}

const tooManyClients = Buffer.from('-ERR max number of clients reached\r\n');

export class RespDoor implements Door {
  readonly protocol = 'resp';
  readonly #parts: DoorParts;
  readonly #listener: SocketListener;

  constructor(options: RespDoorOptions) {
    const figures = new DoorFigures();
    this.#listener = new SocketListener(options, {
      door: 'resp',
      tooMany: tooManyClients,
      accept: (socket, session) => this.#accept(socket, session),
      onSweep: (nowMs) => figures.sample(nowMs),
    });
    this.#parts = {
      ...options,
      refusals: options.refusals,
      catalogue: new Catalogue(sessionCommands),
      clients: new ClientRegistry(),
      budget: new InFlightBudget(options.inFlightBytesMax ?? socketInFlightBytesMax),
      turnEnd: new TurnEnd(),
      figures,
      listener: this.#listener,
      writer: new ReplyWriter(),
    };
  }

  get statistics(): RespStatistics {
    const { budget, figures } = this.#parts;
    return { ...this.#listener.statistics, bytesInFlight: budget.used, figures };
  }

  listen(): Promise<DoorAddress> {
    return this.#listener.listen();
  }

  close(graceMs: number): Promise<void> {
    return this.#listener.close(graceMs);
  }

  #accept(socket: Socket, session: Session): ListenedConnection {
    const { clients, authenticator } = this.#parts;
    const local = { host: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? this.#listener.port };
    const connection = new Connection(socket, session, this.#parts);
    const client = new Client(clients.nextId(), connection, session, !authenticator.isRequired, local);
    clients.add(client);
    socket.once('close', () => clients.remove(client));
    connection.start(client);
    return connection.flow;
  }
}

/** IPv4 addresses of sockets that speak both are written as IPv6. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
