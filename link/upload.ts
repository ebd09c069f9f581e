/**
 * The router's end of an upload: a large argument that travels to its shard while the rest of it still arrives.
 *
 *   client ─▶ door ─ push ─▶ lane ─▶ pieces ─▶ shard's staging ─┐
 *                    └ command, complete ─▶ lane ─▶ reference ──┴▶ executor
 *
 * Without it a value would cross the router as a whole, and one of 64 MiB take twice the time of one hop. The pieces of
 * an upload go up one large lane, between other commands' frames, and the command that refers to them follows them on
 * the same lane, so it finds all of them there. A client that stops in the middle holds up nobody.
 *
 * The bytes stay with the door until the command is answered. A command that is routed once more, or whose link broke,
 * is sent whole: an upload is never needed, and what goes wrong with one costs time only.
 *
 * Rejected: one long frame that is filled as bytes come, which a slow client would hold its lane with; letting the router
 * forget what it has passed on, for then a slot that moves in between would fail the write.
 */
import type { Upload } from '../commands/command.ts';
import { linkUploadPieceBytes } from '../limits.ts';
import type { Lane } from './lane.ts';
import type { UploadPiece } from './upload-piece.ts';

/** What `LinkUpload` tells its link. */
export interface UploadOwner {
  /** The lane has something to send. */
  flushLater(): void;
  /** Its bytes are no longer on their way or staged. */
  onReleased(upload: LinkUpload): void;
}

export class LinkUpload implements Upload {
  readonly argument: number;
  readonly length: number;
  readonly id: number;
  /** On which its pieces and its command go. */
  readonly lane: Lane;
  readonly #owner: UploadOwner;
  #pushed = 0;
  #isStarted = false;
  #isTaken = false;
  #isEnded = false;

  constructor(argument: number, length: number, id: number, lane: Lane, owner: UploadOwner) {
    this.argument = argument;
    this.length = length;
    this.id = id;
    this.lane = lane;
    this.#owner = owner;
  }

  /** All bytes are on their way, and no command has referred to them: one may. */
  get isReady(): boolean {
    return this.#pushed === this.length && !this.#isTaken;
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.byteLength; at += linkUploadPieceBytes) {
      this.lane.enqueuePiece(new QueuedPiece(this, bytes.subarray(at, at + linkUploadPieceBytes)));
    }
    this.#pushed += bytes.byteLength;
    this.#owner.flushLater();
  }

  /** A command that refers to it was sent: the shard has taken it. */
  onTaken(): void {
    this.#isTaken = true;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#isTaken) {
      this.#owner.onReleased(this);
      return;
    }
    // Behind the pieces that were sent, so that nothing comes after it.
    this.lane.enqueuePiece(new QueuedPiece(this, undefined));
    this.#owner.flushLater();
  }

  /** What is to be sent for a piece whose turn it is; undefined: nothing. */
  pieceFor(bytes: Buffer | undefined): UploadPiece | undefined {
    if (bytes === undefined) {
      this.#owner.onReleased(this);
      return this.#isStarted ? { upload: this.id, length: 0, bytes: nothing } : undefined;
    }
    if (this.#isEnded && !this.#isTaken) return undefined;
    this.#isStarted = true;
    return { upload: this.id, length: this.length, bytes };
  }
}

const nothing = Buffer.alloc(0);

/** A piece of an upload that waits in its lane, or the word that the upload is given up. */
export class QueuedPiece {
  readonly bytes: number;
  readonly #upload: LinkUpload;
  readonly #piece: Buffer | undefined;

  constructor(upload: LinkUpload, piece: Buffer | undefined) {
    this.#upload = upload;
    this.#piece = piece;
    this.bytes = piece?.byteLength ?? 0;
  }

  /** Undefined: there is nothing to send any more. */
  take(): UploadPiece | undefined {
    return this.#upload.pieceFor(this.#piece);
  }
}
