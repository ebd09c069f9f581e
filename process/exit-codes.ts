/**
 * What the exit codes of `kvcache` mean. `docs/errors.md` lists them, and a test keeps the two equal.
 */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  fault: 70,
  fenced: 71,
  locked: 72,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCodeName = keyof typeof exitCodes;

export const exitCodeMeanings: Readonly<Record<ExitCodeName, string>> = {
  ok: 'Done.',
  failed: 'The command was understood and failed; the message says why.',
  usage: 'An argument, a flag or a setting is wrong; nothing was done.',
  notFound: 'The key is not there.',
  unreachable: 'The cluster cannot be reached.',
  fault: 'A fault of the program itself ended the process; the last log line has it.',
  fenced: 'Another process has taken over the shard; this one must not run any more.',
  locked: 'Another process uses the data directory.',
  interrupted: 'A second Ctrl-C ended the process at once.',
  terminated: 'A second SIGTERM ended the process at once.',
};
