/**
 * Where the bytes of plain sockets are read to.
 *
 *   large message    straight to where it is to lie, which its reader is asked for: the system's copy is the only one
 *   all else         into one memory that every socket of the process shares, and from there into a buffer as long as
 *                    what came
 *
 * By itself Node takes memory of 64 KiB for every read, and gives back what did not come; a message of a MiB is sixteen
 * such buffers, and copied out of them. It cost more than half of a process that does nothing but receive.
 *
 * Nobody keeps the shared memory: the system fills it in one call, and the same call hands it on. An idle connection
 * therefore has none of its own. What comes before a large message has to be copied, and what of it comes by the same
 * read too, so after one such message reads are short, for there may be another, until one of them is filled by
 * something else.
 *
 * Sockets that we open have `onread` for this. Those that a server accepts have not (Node 26), and have to be made over
 * again by what Node's own modules use and its documents do not name: see `readAgain`.
 *
 * Rejected: memory for each connection, filled read by read and never twice. It saves the copy of small messages,
 * which takes less than the memory's coming back through all caches, and ten thousand idle connections have 640 MB.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { readInPlaceBytesMin, socketReadBytes, socketReadShortBytes } from './limits.ts';

/** Who takes what a socket has read. */
export interface SocketReader {
  /** The chunk is the reader's to keep. */
  receive(chunk: Buffer): void;
  /**
   * Where the next bytes belong, if that is known and nothing waits that came before them. Nobody may detach that memory
   * before it is full: the system has its address. What is given up half full is left to the collector.
   */
  whereNext(): Buffer | undefined;
}

const shared = Buffer.allocUnsafeSlow(socketReadBytes);
const sharedShort = shared.subarray(0, socketReadShortBytes);

export class SocketReads {
  /** Has to be set before the event loop turns: what is read for nobody is lost. */
  reader: SocketReader | undefined;
  readonly onread: OnReadOpts = {
    buffer: () => this.next(),
    callback: (bytes) => {
      this.reader?.receive(this.take(bytes));
      return true;
    },
  };
  #given: Buffer = shared;
  #isInPlace = false;
  #isShort = false;

  /** Memory for the next read. */
  next(): Buffer {
    const place = this.reader?.whereNext();
    this.#isInPlace = place !== undefined;
    if (place !== undefined) this.#isShort = true;
    this.#given = place ?? (this.#isShort ? sharedShort : shared);
    return this.#given;
  }

  /** So many bytes have been read into what was given last. */
  take(bytes: number): Buffer {
    const given = this.#given;
    const isFull = bytes === given.byteLength;
    if (this.#isInPlace) return isFull ? given : given.subarray(0, bytes);
    if (isFull) this.#isShort = false;
    const chunk = Buffer.allocUnsafe(bytes);
    chunk.set(isFull ? given : given.subarray(0, bytes));
    return chunk;
  }
}

/** As node:net has called them since its first versions: what stands between a Socket and the system, and who counts it. */
const handleKey = '_handle';
const serverKey = '_server';

interface SocketParts {
  [handleKey]: object | null;
  [serverKey]: object | null;
}

/**
 * A socket that a server with `pauseOnConnect` has just accepted, over again, so that it reads by `reads`. The server
 * counts it instead; what was accepted is an empty shell from now on, without events.
 */
export function readAgain(accepted: Socket, reads: SocketReads, options: { readonly allowHalfOpen: boolean }): Socket {
  const shell = accepted as unknown as SocketParts;
  const { [handleKey]: handle, [serverKey]: server } = shell;
  const socket = new Socket({ ...options, handle, onread: reads.onread } as SocketConstructorOpts);
  (socket as unknown as SocketParts)[serverKey] = server;
  shell[handleKey] = null;
  shell[serverKey] = null;
  return socket;
}

/** What is left of a message's memory, `bytesMax` or fewer, if it is worth while to read to there at once. */
export function placeIn(memory: Buffer, filled: number, bytesMax = Infinity): Buffer | undefined {
  const bytes = Math.min(memory.byteLength - filled, bytesMax);
  return bytes < readInPlaceBytesMin ? undefined : memory.subarray(filled, filled + bytes);
}

/** Puts a part of a chunk into a message's memory, where it may have been read to already. */
export function putInPlace(memory: Buffer, filled: number, chunk: Buffer, from: number, end: number): void {
  const isThere = chunk.byteOffset + from === memory.byteOffset + filled && chunk.buffer === memory.buffer;
  if (!isThere) chunk.copy(memory, filled, from, end);
}
