/**
 * The door of the binary protocol of typed values (protocol.ts), over an executor that is given to it. The same on
 * router and shard. Values keep their kind: commands/typed-value.ts.
 */
import type { Executor } from '../../commands/command.ts';
import { tcpConnectionsMax, tcpInFlightBytesMax } from '../../limits.ts';
import type { Authenticator } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import type { ServerTlsSource } from '../../security/tls.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';
import { InFlightBudget } from '../resp/in-flight-budget.ts';
import { SocketListener } from '../socket-listener.ts';
import { TcpConnection, type TcpParts } from './connection.ts';
import { TcpFigures } from './figures.ts';
import { errorResponse } from './response.ts';

export interface TcpDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly executor: Executor;
  readonly authenticator: Authenticator;
  /** Undefined: plain text. */
  readonly tls?: ServerTlsSource | undefined;
  readonly refusals?: Refusals | undefined;
  readonly log?: DoorLog | undefined;
  readonly connectionsMax?: number | undefined;
  /** A connection from which nothing comes for so long is ended; 0 for never. Read at every look. */
  readonly idleTimeoutMs?: (() => number) | undefined;
  readonly inFlightBytesMax?: number | undefined;
}

export interface TcpStatistics {
  readonly connections: number;
  readonly accepted: number;
  readonly refused: number;
  readonly endedIdle: number;
  readonly bytesInFlight: number;
  readonly figures: TcpFigures;
}

const tooManyClients = Buffer.concat(errorResponse('Too many connections'));

export class TcpDoor implements Door {
  readonly protocol = 'tcp';
  readonly #parts: TcpParts;
  readonly #listener: SocketListener;

  constructor(options: TcpDoorOptions) {
    const { executor, authenticator, refusals, inFlightBytesMax = tcpInFlightBytesMax } = options;
    const budget = new InFlightBudget(inFlightBytesMax);
    this.#parts = { executor, authenticator, refusals, budget, figures: new TcpFigures() };
    this.#listener = new SocketListener({
      door: 'tcp',
      host: options.host,
      port: options.port,
      tls: options.tls,
      refusals,
      log: options.log,
      connectionsMax: options.connectionsMax ?? tcpConnectionsMax,
      tooMany: tooManyClients,
      idleTimeoutMs: options.idleTimeoutMs ?? (() => 0),
      accept: (socket, session) => new TcpConnection(socket, session, this.#parts),
    });
  }

  get statistics(): TcpStatistics {
    const { connections, accepted, refused, endedIdle } = this.#listener;
    const { budget, figures } = this.#parts;
    return { connections, accepted, refused, endedIdle, bytesInFlight: budget.used, figures };
  }

  listen(): Promise<DoorAddress> {
    return this.#listener.listen();
  }

  close(graceMs: number): Promise<void> {
    return this.#listener.close(graceMs);
  }
}
