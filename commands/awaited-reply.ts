/** The reply of a submitted command for those who await it: at once if it is there, else as a promise. */
import type { ReplySink } from './command.ts';
import type { Reply } from './reply.ts';

class AwaitedReply implements ReplySink {
  #reply: Reply | undefined;
  #resolve: ((reply: Reply) => void) | undefined;

  get result(): Reply | Promise<Reply> {
    if (this.#reply !== undefined) return this.#reply;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  reply(_token: number, reply: Reply): void {
    if (this.#resolve === undefined) this.#reply = reply;
    else this.#resolve(reply);
  }
}

/** `submit` gives its command to whoever does it, with this sink. */
export function awaitedReply(submit: (sink: ReplySink) => void): Reply | Promise<Reply> {
  const awaited = new AwaitedReply();
  submit(awaited);
  return awaited.result;
}
