/** What a connection is made with: its role and bounds, and who hears of it. */
import type { HeaderFields } from './header-fields.ts';
import type { ByteAccount } from './outbox.ts';
import type { Http2Stream } from './stream.ts';

export interface Http2Options {
  readonly role: 'client' | 'server';
  /** What the peer may send on one stream, and on all, before it was read. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** Of a server: streams that a client may have open at once. */
  readonly streamsMax?: number;
  /** Of a client; 1 unless told otherwise. */
  readonly firstStreamId?: number;
  readonly account?: ByteAccount;
}

export interface Http2Listener {
  /** A client's request. The stream's listener is set before this returns, or the stream is reset. */
  stream?(stream: Http2Stream, fields: HeaderFields): void;
  /** The peer's first settings are here. */
  ready?(): void;
  /** The peer takes no new streams. */
  goAway?(): void;
  /** The socket is gone; its streams hear of it after this. `error`: why, where it broke. */
  closed(error: unknown): void;
}
