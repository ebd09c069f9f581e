/**
 * A command on its way over a link, from `submit` to its one reply.
 *
 * It is one object, because a busy router makes hundreds of thousands of them a second: no closures, no timers and no
 * listeners of its own.
 */
import type { Command, CommandContext, ReplySink } from '../commands/command.ts';
import type { AbortWatch } from './abort-watches.ts';
import type { LinkUpload } from './upload.ts';

export class PendingCommand {
  /** Names it on the link; PendingCommands gives it. */
  id = 0;
  readonly context: CommandContext;
  /** Wall-clock time. */
  readonly dueMs: number;
  readonly epoch: number | undefined;
  readonly sink: ReplySink;
  readonly token: number;
  /** Of the whole command. */
  readonly bytes: number;
  /** The argument that the shard has, or will have before the command. */
  readonly upload: LinkUpload | undefined;
  /** performance.now() when it was submitted. */
  readonly submittedMs: number;
  /** Of its context's signal. */
  watch: AbortWatch | undefined = undefined;
  /** Undefined once settled, so that a queue which still holds the entry does not hold its values. */
  command: Command | undefined;
  sent = false;

  constructor(
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
    this.command = command;
    this.context = context;
    this.dueMs = dueMs;
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
}
