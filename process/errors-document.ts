/** `docs/errors.md`, written from errors.ts and exit-codes.ts by `npm run generate`. */
import { type ErrorCode, errorCodes } from '../errors.ts';
import { exitCodeMeanings, exitCodes, type ExitCodeName } from './exit-codes.ts';

/** What somebody who meets the code can do about it. */
const advice: Readonly<Record<ErrorCode, string>> = {
  ERR: 'Correct the request.',
  NOAUTH:
    'Show a token or a password that the server knows; docs/security.md tells how. Whoever rotates keeps both for a while.',
  WRONGTYPE: 'Use a command of the key’s type, or delete the key first.',
  MOVED: 'Ask a router, which answers for all shards, or the shard that the message names.',
  CROSSSLOT: 'Give the keys a common {tag}, which puts them into one slot, or send a command for each.',
  TRYAGAIN: 'Try again after a moment; the SDK does. If it lasts, send less at once or add shards.',
  UNAVAILABLE: 'Read: try again. Write: read the key to learn whether it was done. See `kvcache status`.',
  TIMEOUT: 'As UNAVAILABLE; or allow more time.',
  CANCELLED: 'Nothing: the caller wanted it.',
  TOOLARGE: 'Send less; the message names the bound.',
  DISKFULL: 'Raise `disk.size`, or leave `eviction.enabled` on; a configured Blob account lets the disk give way.',
  BLOBFULL: 'Find out why Blob takes nothing (`kvcache status`, the shard’s log), or raise `blob.max_unflushed`.',
  BLOBDOWN: 'Try again once Blob answers; values in RAM and on disk are read meanwhile.',
  CORRUPT: 'Write the value again; the shard’s log names the segment. Check the disk.',
  FENCED: 'Make sure that only one process has this shard’s name and `blob.prefix`.',
  LOADING: 'Wait; `/ready` tells when it is over. The SDK tries again by itself.',
  SHUTDOWN: 'Try again; another process takes over, or this one comes back.',
  CONFIG: 'Correct the setting; docs/settings.md lists all.',
  LOCKED: 'End the other process, or give this one a directory of its own.',
  FORMAT: 'Use the version that wrote the data, or another directory.',
};

/** The whole document. */
export function errorsDocument(): string {
  const codes = (Object.keys(errorCodes) as ErrorCode[]).map(
    (code) => `| \`${code}\` | ${errorCodes[code]} | ${advice[code]} |`,
  );
  const exits = (Object.keys(exitCodes) as ExitCodeName[]).map(
    (name) => `| ${exitCodes[name]} | ${exitCodeMeanings[name]} |`,
  );
  return `# Errors

<!-- Generated from errors.ts and process/exit-codes.ts by \`npm run generate\`; edit those files. -->

Every fault has a code that stays the same over versions; the text beside it may change. gRPC answers carry the code in
the trailer \`kvcache-code\`, \`--json\` as \`error.code\`, logs as \`code\`.

| Code | What it means | What to do |
| --- | --- | --- |
${codes.join('\n')}

## Exit codes of \`kvcache\`

| Code | What it means |
| --- | --- |
${exits.join('\n')}
`;
}
