/**
 * One client as its commands see it: who it is, what it may do, how replies are shown to it. And all of them, for
 * CLIENT LIST and CLIENT KILL.
 */
import type { Session } from '../../commands/command.ts';
import type { Protocol } from './reply-writer.ts';

/** What a connection can do for the commands of its client. */
export interface ClientConnection {
  /** Bytes that wait to be sent, and of requests that are not complete. */
  readonly unsentBytes: number;
  readonly receivedBytes: number;
  readonly commandsUnderWay: number;
  /** Ends the connection at once. */
  destroy(): void;
}

/** CLIENT REPLY. `skip-next` leaves out the next command's reply, `skip` the one of the command in hand. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

export class Client {
  readonly id: number;
  readonly connection: ClientConnection;
  readonly peer: string;
  readonly local: { readonly host: string; readonly port: number };
  readonly connectedAtMs = Date.now();
  lastCommandAtMs = Date.now();
  lastCommand = '';
  session: Session;
  protocol: Protocol = 2;
  isAuthenticated: boolean;
  replyMode: ReplyMode = 'on';
  /** Set to have the connection end after the reply. */
  isLeaving = false;
  name = '';
  libraryName = '';
  libraryVersion = '';
  isNeverEvicted = false;
  isNeverTouching = false;

  constructor(
    id: number,
    connection: ClientConnection,
    session: Session,
    isAuthenticated: boolean,
    local: { readonly host: string; readonly port: number },
  ) {
    this.id = id;
    this.connection = connection;
    this.session = session;
    this.peer = session.peer;
    this.isAuthenticated = isAuthenticated;
    this.local = local;
  }

  /** As Redis writes a line of CLIENT LIST. */
  describe(nowMs: number): string {
    const { connection } = this;
    const seconds = (sinceMs: number): number => Math.floor((nowMs - sinceMs) / 1_000);
    const flags = `${this.isNeverEvicted ? 'e' : ''}${this.isNeverTouching ? 'T' : ''}` || 'N';
    const fields: Readonly<Record<string, string | number>> = {
      id: this.id,
      addr: this.peer,
      laddr: `${this.local.host}:${this.local.port}`,
      fd: this.id,
      name: this.name,
      age: seconds(this.connectedAtMs),
      idle: seconds(this.lastCommandAtMs),
      flags,
      db: 0,
      sub: 0,
      psub: 0,
      ssub: 0,
      multi: -1,
      qbuf: connection.receivedBytes,
      'qbuf-free': 0,
      'argv-mem': 0,
      'multi-mem': 0,
      obl: 0,
      oll: connection.commandsUnderWay,
      omem: connection.unsentBytes,
      'tot-mem': connection.receivedBytes + connection.unsentBytes,
      events: 'r',
      cmd: this.lastCommand === '' ? 'NULL' : this.lastCommand.toLowerCase(),
      user: 'default',
      redir: -1,
      resp: this.protocol,
      'lib-name': this.libraryName,
      'lib-ver': this.libraryVersion,
    };
    return Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ');
  }
}

export class ClientRegistry {
  readonly #clients = new Map<number, Client>();
  #lastId = 0;

  get size(): number {
    return this.#clients.size;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** In the order in which they came. */
  all(): IterableIterator<Client> {
    return this.#clients.values();
  }

  add(client: Client): void {
    this.#clients.set(client.id, client);
  }

  remove(client: Client): void {
    this.#clients.delete(client.id);
  }
}
