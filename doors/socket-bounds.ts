/** The bounds of connections over plain sockets that tests lower, so that none waits a minute or moves a gigabyte. */
import { socketRefusedLingerMs, socketStallMaxMs, socketSweepIntervalMs, socketUnsentBytesMax } from '../limits.ts';

export interface SocketBounds {
  /** How often connections are looked at. */
  readonly sweepIntervalMs: number;
  /** How long one that is one too many stays, to be told so. */
  readonly refusedLingerMs: number;
  /** How long one may not move in the middle of a request or a reply. */
  readonly stallMaxMs: number;
  /** What may wait to be sent. */
  readonly unsentBytesMax: number;
}

export const socketBounds: SocketBounds = {
  sweepIntervalMs: socketSweepIntervalMs,
  refusedLingerMs: socketRefusedLingerMs,
  stallMaxMs: socketStallMaxMs,
  unsentBytesMax: socketUnsentBytesMax,
};
