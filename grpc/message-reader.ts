/**
 * Length-prefixed messages out of the chunks of one HTTP/2 stream.
 *
 *   compressed  1 byte   0 or 1
 *   length      4 bytes  big-endian, of what follows
 *   message
 *
 * Memory. The length is known before the message, so its bytes are copied once, from each socket chunk straight into
 * one buffer of the message's own, or read into it by the socket where that can be told; nothing is ever joined afterwards. A length alone proves nothing: a message gets
 * `grpcReceiveStepBytes` at first and eightfold more each time that is really full, so an idle peer costs little and
 * a message of 100 MB is moved twice at most. Messages below 4 KiB that lie whole in a chunk are handed out as views of it: their
 * deserializers copy what they keep, and a copy of a hundred bytes costs more than the view.
 *
 * Both bounds are decided on the prefix, before a byte of the message is kept: the message's own, and the server's
 * budget of bytes in flight.
 *
 * Rejected: a list of chunks, joined at the end. It costs the same one copy but holds every message twice for a
 * moment and keeps thousands of socket chunks alive while a large one arrives.
 */
import { grpcReceiveStepBytes } from '../limits.ts';
import { collectedMemory, type ReceiveMemory } from '../receive-memory.ts';
import { placeIn, putInPlace } from '../socket-reads.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { CallTransport } from './call-transport.ts';
import { GrpcError, grpcStatus } from './status.ts';

const prefixBytes = 5;
const viewBytesMax = 4 * 1024;
const growthFactor = 8;
const nothing = Buffer.alloc(0);

/** `reservedBytes` of the budget belong to the callee from now on, who releases them. */
export type DeliverMessage = (message: Buffer, compressed: boolean, reservedBytes: number) => void;

export class MessageReader {
  /** For messages that are more than a view; may be changed before the first. */
  memory: ReceiveMemory = collectedMemory;
  readonly #messageBytesMax: number;
  readonly #budget: ByteBudget | undefined;
  readonly #deliver: DeliverMessage;
  /** The prefix as far as it came, when it was cut by a chunk's end. */
  #prefix: Buffer | undefined;
  #prefixFilled = 0;
  /** Length of the message in hand, -1 between messages. */
  #length = -1;
  #compressed = false;
  #message: Buffer = nothing;
  #filled = 0;
  #reserved = 0;

  constructor(messageBytesMax: number, budget: ByteBudget | undefined, deliver: DeliverMessage) {
    this.#messageBytesMax = messageBytesMax;
    this.#budget = budget;
    this.#deliver = deliver;
  }

  /** True in the middle of a message. */
  get partial(): boolean {
    return this.#length >= 0 || this.#prefixFilled > 0;
  }

  /** As `push`; a chunk that is refused fails the call. */
  read(chunk: Buffer, call: Pick<CallTransport, 'fail'>): void {
    try {
      this.push(chunk);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      call.fail(error);
    }
  }

  /** Takes the next chunk, delivering every message that it completes. Throws GrpcError; use it no more then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.byteLength || this.#length === 0) {
      if (this.#length < 0) at = this.#takePrefix(chunk, at);
      else at = this.#takeMessage(chunk, at);
    }
  }

  /** Where the next bytes belong, `bytesMax` or fewer, if it is worth while to put them there at once. */
  whereNext(bytesMax: number): Buffer | undefined {
    return placeIn(this.#message, this.#filled, bytesMax);
  }

  /** Gives back what a message that will never be complete has reserved. */
  abandon(): void {
    this.#budget?.release(this.#reserved);
    this.#reserved = 0;
    this.#message = nothing;
    this.#length = -1;
    this.#prefixFilled = 0;
  }

  #takePrefix(chunk: Buffer, from: number): number {
    if (this.#prefixFilled === 0 && chunk.byteLength - from >= prefixBytes) {
      this.#begin(chunk[from]!, chunk.readUInt32BE(from + 1));
      return from + prefixBytes;
    }
    this.#prefix ??= Buffer.allocUnsafe(prefixBytes);
    const end = Math.min(chunk.byteLength, from + prefixBytes - this.#prefixFilled);
    this.#prefixFilled += chunk.copy(this.#prefix, this.#prefixFilled, from, end);
    if (this.#prefixFilled === prefixBytes) {
      this.#prefixFilled = 0;
      this.#begin(this.#prefix[0]!, this.#prefix.readUInt32BE(1));
    }
    return end;
  }

  #begin(flag: number, length: number): void {
    if (flag > 1) throw new GrpcError(grpcStatus.INTERNAL, `Invalid compression flag ${flag} of a message`);
    if (length > this.#messageBytesMax) {
      const text = `Received message larger than max (${length} vs ${this.#messageBytesMax})`;
      throw new GrpcError(grpcStatus.RESOURCE_EXHAUSTED, text);
    }
    if (this.#budget && !this.#budget.fits(length)) throw this.#budget.refusal();
    this.#compressed = flag === 1;
    this.#length = length;
    this.#filled = 0;
  }

  #takeMessage(chunk: Buffer, from: number): number {
    const length = this.#length;
    const available = chunk.byteLength - from;
    if (this.#filled === 0 && length <= viewBytesMax && available >= length) {
      this.#reserve(length);
      this.#complete(chunk.subarray(from, from + length));
      return from + length;
    }
    if (this.#filled === this.#message.byteLength) this.#grow();
    const end = Math.min(chunk.byteLength, from + this.#message.byteLength - this.#filled);
    putInPlace(this.#message, this.#filled, chunk, from, end);
    this.#filled += end - from;
    if (this.#filled === length) this.#complete(this.#message);
    return end;
  }

  #grow(): void {
    const wanted = Math.max(grpcReceiveStepBytes, this.#message.byteLength * growthFactor);
    const capacity = Math.min(this.#length, wanted);
    this.#reserve(capacity - this.#message.byteLength);
    const larger = capacity === this.#length ? this.memory.take(capacity) : Buffer.allocUnsafeSlow(capacity);
    this.#message.copy(larger, 0, 0, this.#filled);
    this.#message = larger;
  }

  #reserve(bytes: number): void {
    if (this.#budget && !this.#budget.reserve(bytes)) throw this.#budget.refusal();
    this.#reserved += bytes;
  }

  #complete(message: Buffer): void {
    const reserved = this.#reserved;
    this.#reserved = 0;
    this.#message = nothing;
    this.#length = -1;
    this.#filled = 0;
    this.#deliver(message, this.#compressed, reserved);
  }
}
