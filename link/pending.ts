/**
 * A command on its way over a link, from `submit` to its one reply.
 *
 * It is one object that serves as queue entry, deadline and abort listener, because a busy router makes hundreds of
 * thousands of them a second: no closures, no timers of its own.
 */
import type { Command, CommandContext } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { Deadline } from '../grpc/deadline-wheel.ts';
import type { LinkUpload } from './upload.ts';

/** Who gets replies. `token` is what the asker gave, to tell its commands apart. */
export interface ReplySink {
  reply(token: number, reply: Reply): void;
}

export interface PendingOwner {
  onDeadline(pending: PendingCommand): void;
  onAbort(pending: PendingCommand): void;
}

export class PendingCommand extends Deadline implements EventListenerObject {
  readonly id: number;
  readonly owner: PendingOwner;
  readonly context: CommandContext;
  readonly epoch: number | undefined;
  readonly sink: ReplySink;
  readonly token: number;
  /** Of the whole command. */
  readonly bytes: number;
  /** The argument that the shard has, or will have before the command. */
  readonly upload: LinkUpload | undefined;
  /** performance.now() when it was submitted. */
  readonly submittedMs: number;
  /** Undefined once settled, so that a queue which still holds the entry does not hold its values. */
  command: Command | undefined;
  sent = false;

  constructor(
    id: number,
    owner: PendingOwner,
    command: Command,
    context: CommandContext,
    dueMs: number,
    epoch: number | undefined,
    sink: ReplySink,
    token: number,
    bytes: number,
    submittedMs: number,
    upload: LinkUpload | undefined,
  ) {
    super(dueMs, strikePending);
    this.id = id;
    this.owner = owner;
    this.command = command;
    this.context = context;
    this.epoch = epoch;
    this.sink = sink;
    this.token = token;
    this.bytes = bytes;
    this.submittedMs = submittedMs;
    this.upload = upload;
  }

  get bytesToSend(): number {
    return this.upload === undefined ? this.bytes : this.bytes - this.upload.length;
  }

  handleEvent(): void {
    this.owner.onAbort(this);
  }
}

/** One function for all of them: the wheel calls it as a method of the deadline that struck. */
function strikePending(this: PendingCommand): void {
  this.owner.onDeadline(this);
}
