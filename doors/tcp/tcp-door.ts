/**
 * The door of the binary protocol of typed values (protocol.ts), over an executor that is given to it. The same on
 * router and shard. Values keep their kind: commands/typed-value.ts.
 */
import { socketInFlightBytesMax } from '../../limits.ts';
import type { Door, DoorAddress } from '../door.ts';
import { InFlightBudget } from '../in-flight-budget.ts';
import { TurnEnd } from '../turn-end.ts';
import { type ListenerStatistics, type SocketDoorOptions, SocketListener } from '../socket-listener.ts';
import { TcpConnection, type TcpParts } from './connection.ts';
import { TcpFigures } from './figures.ts';
import { frameHead } from './protocol.ts';
import { errorAnswer } from './answer.ts';
import { ResponseWriter } from './response-writer.ts';

export type TcpDoorOptions = SocketDoorOptions;

export interface TcpStatistics extends ListenerStatistics {
  readonly bytesInFlight: number;
  readonly figures: TcpFigures;
}

export class TcpDoor implements Door {
  readonly protocol = 'tcp';
  readonly #parts: TcpParts;
  readonly #listener: SocketListener;

  constructor(options: TcpDoorOptions) {
    const { executor, authenticator, refusals, log, bounds, inFlightBytesMax = socketInFlightBytesMax } = options;
    const budget = new InFlightBudget(inFlightBytesMax);
    const figures = new TcpFigures();
    const shared = { budget, turnEnd: new TurnEnd(), figures, writer: new ResponseWriter(figures) };
    const parts: TcpParts = { executor, authenticator, refusals, ...shared, log, bounds };
    this.#parts = parts;
    this.#listener = new SocketListener(options, {
      door: 'tcp',
      tooMany: tooManyClients(),
      accept: (socket, session) => new TcpConnection(socket, session, parts).flow,
    });
  }

  get statistics(): TcpStatistics {
    const { budget, figures } = this.#parts;
    return { ...this.#listener.statistics, bytesInFlight: budget.used, figures };
  }

  listen(): Promise<DoorAddress> {
    return this.#listener.listen();
  }

  close(graceMs: number): Promise<void> {
    return this.#listener.close(graceMs);
  }
}

function tooManyClients(): Buffer {
  const { status, payload } = errorAnswer('Too many connections');
  return Buffer.concat([frameHead(status, payload.byteLength), payload]);
}
