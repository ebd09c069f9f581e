/**
 * Command in, Reply out: the one shape between every door and every executor.
 *
 * A door turns bytes into a `Command` and a `Reply` into bytes; an `Executor` (router, shard, or a wrapper that
 * measures) does the work. Doors know no storage, storage knows no protocol. An executor never throws and never
 * rejects: faults are `ReplyError` values. It answers synchronously where it can (a hit in RAM), so callers test for
 * a promise instead of always awaiting one. Where replies come from another process, for each of which a promise, its
 * closures and its turn in the queue of promises would be a third of the work, the way is `submit` and a sink.
 */
import type { Reply } from './reply.ts';

/** A command's name in upper case, as in the command table, and its binary arguments. */
export interface Command {
  readonly name: string;
  /** Owned by the callee from now on: the caller must not write into them or reuse their memory. */
  readonly args: readonly Buffer[];
  /** One of the arguments, sent ahead by `Executor.beginUpload`. */
  readonly upload?: Upload;
}

/** A large argument whose bytes go to where its command will run while the rest of them still arrives. */
export interface Upload {
  /** Which of the command's arguments it is. */
  readonly argument: number;
  /** The next bytes of it, which must not change any more. */
  push(bytes: Buffer): void;
  /** No command needs it any more. The executor calls it for a command that it was given, the caller for no command. */
  end(): void;
}

/**
 * When a write is answered: `memory` in RAM and in the log's buffer, `disk` after fsync, `blob` after the commit that
 * holds it. Ordered from weak to strong.
 */
export const acknowledgements = ['memory', 'disk', 'blob'] as const;
export type Acknowledgement = (typeof acknowledgements)[number];

/** Who asks. `identity` is what the peer has proven, where proof is asked for. Today everyone is in one tenant. */
export interface Session {
  readonly door: 'grpc' | 'http' | 'resp' | 'tcp' | 'link' | 'library';
  readonly peer: string;
  readonly identity?: string;
  readonly tenant: string;
}

export interface CommandContext {
  readonly session: Session;
  /** Wall-clock time (Date.now()) after which nobody waits for the answer. */
  readonly deadlineMs: number;
  /** Undefined: the shard's setting. */
  readonly acknowledgement?: Acknowledgement | undefined;
  /** The topology epoch by which the sender chose this shard; undefined from doors. */
  readonly epoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Who gets replies. `token` is what the asker gave, to tell its commands apart. */
export interface ReplySink {
  /** Called once a command. It must not throw. */
  reply(token: number, reply: Reply): void;
}

export interface Executor {
  /** Never throws, never rejects. */
  execute(command: Command, context: CommandContext): Reply | Promise<Reply>;
  /**
   * The same without a promise, of executors that answer later as a rule, and only of these: doors tell by it what to
   * expect. The sink gets exactly one reply, perhaps before this returns.
   */
  submit?(command: Command, context: CommandContext, sink: ReplySink, token: number): void;
  /**
   * Begins to send an argument of `bytes` bytes, of which the first have arrived, ahead of its command: the caller pushes
   * the bytes as they come, and gives the upload with the command, which has the argument whole all the same. `args`:
   * what stands before it. Undefined: the argument is not worth it, or there is no room.
   */
  beginUpload?(name: string, args: readonly Buffer[], bytes: number): Upload | undefined;
}

/** A context for calls that come from no connection: tests, tools, the process itself. */
export function libraryContext(timeoutMs: number, acknowledgement?: Acknowledgement): CommandContext {
  return { session: { door: 'library', peer: '', tenant: '' }, deadlineMs: Date.now() + timeoutMs, acknowledgement };
}
