/**
 * Frames against one door of a process, over a few connections at a time: written in pieces of any size, answers read and
 * thrown away, a connection that the door has closed replaced. Now and then a witness asks whether all is well.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { fuzzConnections, fuzzFramesPerConnectionMax, fuzzPatienceMs, fuzzWitnessIntervalFrames } from '../limits.ts';

export interface AttackedDoor {
  readonly name: string;
  readonly port: number;
  /** What every connection begins with. */
  readonly opening?: Buffer;
  frames(seed: number): Iterator<Buffer>;
  /** Rejects where the door does not serve a well-behaved client as it should. */
  witness(): Promise<void>;
}

export interface AttackOptions {
  readonly seed: number;
  readonly frames: number;
  /** Told how many frames have been sent. */
  readonly onProgress?: (sent: number) => void;
}

export interface AttackReport {
  readonly frames: number;
  readonly bytes: number;
  /** Connections that the door has closed. */
  readonly closed: number;
}

/** Sends so many frames. Rejects with what the witness said, and after which frame. */
export async function attack(door: AttackedDoor, { seed, frames, onProgress }: AttackOptions): Promise<AttackReport> {
  const source = door.frames(seed);
  let sent = 0;
  let bytes = 0;
  let closed = 0;
  const lane = async (): Promise<void> => {
    while (sent < frames) {
      const connection = await Connection.open(door);
      for (let own = 0; own < fuzzFramesPerConnectionMax && sent < frames && connection.isOpen; own++) {
        const frame = source.next().value;
        sent += 1;
        bytes += frame.byteLength;
        await connection.write(frame);
        if (sent % fuzzWitnessIntervalFrames === 0) await testify(door, sent);
        onProgress?.(sent);
      }
      if (!connection.isOpen) closed += 1;
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: fuzzConnections }, lane));
  await testify(door, sent);
  return { frames: sent, bytes, closed };
}

async function testify(door: AttackedDoor, sent: number): Promise<void> {
  try {
    await door.witness();
  } catch (error) {
    throw new Error(`${door.name} does not serve after ${sent} frames`, { cause: error });
  }
}

class Connection {
  readonly #socket: Socket;
  #isOpen = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isOpen = false;
    });
    socket.on('end', () => {
      this.#isOpen = false;
    });
    socket.resume();
  }

  static async open({ name, port, opening }: AttackedDoor): Promise<Connection> {
    const socket = connect(port, '127.0.0.1');
    const connection = new Connection(socket);
    await Promise.race([once(socket, 'connect'), delay(fuzzPatienceMs, undefined, { ref: false })]);
    if (socket.connecting) throw new Error(`${name} takes no connections any more`);
    if (opening !== undefined) socket.write(opening);
    return connection;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * In two pieces, each in a turn of its own. A door may leave a frame unread while it waits for the rest of it, so nobody
   * waits for that for long.
   */
  async write(frame: Buffer): Promise<void> {
    const cut = frame.byteLength >> 1;
    this.#socket.write(frame.subarray(0, cut));
    await nextTurn();
    const isTaken = this.#socket.write(frame.subarray(cut));
    await nextTurn();
    if (isTaken || !this.#isOpen) return;
    const moved = new AbortController();
    const move = (): void => moved.abort();
    this.#socket.once('drain', move).once('close', move);
    await delay(fuzzPatienceMs, undefined, { signal: moved.signal }).catch(() => undefined);
    this.#socket.off('drain', move).off('close', move);
  }

  close(): void {
    this.#socket.destroy();
  }
}
