/**
 * The channels of a client, one for each address of its server: routers, of which each answers for the whole cluster.
 *
 * Calls go around in turn over those whose connection stands. One that is away costs nothing: while its connection is
 * made again, on the side, the others take its calls, and when it stands it has its turn again. Where none stands, a call
 * goes to one that is being connected and waits, and where all are known to be away it fails at once. A call that failed
 * is tried again as it is with one address (retry.ts), and then it is another one's turn.
 *
 * The first turn is drawn at random, so that many clients with one list do not begin at the same router. Rejected: the
 * first address for everything and the others in reserve, which leaves routers idle; and picking the one with the fewest
 * calls, which prefers a router that fails fast.
 */
import type { GrpcChannel } from '../grpc/client.ts';
import type { ConnectionState } from '../grpc/client-connection.ts';

/** The lower, the sooner a channel is taken. */
const ranks: Readonly<Record<ConnectionState, number>> = { ready: 0, connecting: 1, idle: 1, backoff: 2, closed: 3 };

export class Channels {
  readonly #channels: readonly GrpcChannel[];
  #next: number;

  /** At least one. */
  constructor(channels: readonly GrpcChannel[], random = Math.random()) {
    this.#channels = channels;
    this.#next = Math.floor(random * channels.length);
  }

  /** For one call. */
  choose(): GrpcChannel {
    const count = this.#channels.length;
    let chosen = this.#next;
    let rank = Infinity;
    for (let step = 0; step < count; step++) {
      const place = (this.#next + step) % count;
      const channel = this.#channels[place]!;
      // Calls connect what they are given to; the others are to stand when their turn comes.
      if (count > 1 && channel.state === 'idle') channel.connect();
      if (ranks[channel.state] >= rank) continue;
      rank = ranks[channel.state];
      chosen = place;
    }
    this.#next = (chosen + 1) % count;
    return this.#channels[chosen]!;
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }
}
