/**
 * Every error code a user can meet, in one place; `docs/errors.md` explains each and a test keeps the two equal.
 *
 * Faults of operation travel as `ReplyError` values (commands/reply.ts) with one of these codes; doors map the code
 * to their protocol's status. `KvcacheError` is for start-up and library calls, where throwing is what callers expect.
 */

export const errorCodes = {
  ERR: 'The request is malformed; the message says what was wrong and what would be right.',
  NOAUTH: 'The call carries no credentials that are accepted here.',
  WRONGTYPE: 'The key holds another type than the command works on.',
  MOVED: 'This shard does not own the slot; the message names slot and owner.',
  CROSSSLOT: 'The keys of a command that is done as a whole are in several slots, which may be at several shards.',
  TRYAGAIN: 'Too many bytes or commands are in flight; nothing was done, try again.',
  UNAVAILABLE: 'The shard that owns the key cannot be reached; a write may or may not have been done.',
  TIMEOUT: 'The deadline passed first; a write may or may not have been done.',
  CANCELLED: 'The caller went away or cancelled before the answer.',
  TOOLARGE: 'A key, value or message is above its bound in limits.ts.',
  DISKFULL: 'The disk or its configured size is full and nothing could be evicted.',
  BLOBFULL: 'Bytes not yet in Blob reached their bound (blob.max_unflushed) and Blob takes none.',
  BLOBDOWN: 'The value lies in Blob alone and Blob cannot be read now.',
  CORRUPT: 'A stored record failed its checksum on disk and in Blob.',
  FENCED: 'Another process has taken over this shard; this one serves no more.',
  LOADING: 'The shard is recovering and not ready yet.',
  SHUTDOWN: 'The process is ending and takes no more commands.',
  CONFIG: 'A setting is wrong; the message names it, its value and what would be right.',
  LOCKED: 'Another process uses the data directory.',
  FORMAT: 'The data directory was written in a format that this version does not read.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** A fault with a stable code, for callers that expect exceptions (start-up, SDK, CLI). */
export class KvcacheError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KvcacheError';
    this.code = code;
  }
}

/** The message of anything thrown, for log lines and error texts. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
