/**
 * Secrets that are accepted: passwords, tokens, the secret of the internal port. Several at a time, so that one can
 * take the other's place without a moment in which neither is good.
 *
 * What is shown is compared by digest, with all that are accepted, whatever the outcome: how long it takes tells
 * nothing of how much was right, nor which one it was. The digest is keyed by the process, so that what lies in memory
 * or in a core file cannot be looked up in a table.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { KvcacheError } from '../errors.ts';
import { secretsAcceptedMax } from '../limits.ts';
import { type NamedFile, WatchedFiles } from './watched-files.ts';

const digestKey = randomBytes(32);

function digestOf(secret: string): Buffer {
  return createHmac('sha256', digestKey).update(secret, 'utf8').digest();
}

export class SecretSet {
  readonly #digests: readonly Buffer[];

  constructor(secrets: readonly string[]) {
    this.#digests = secrets.map(digestOf);
  }

  accepts(shown: string): boolean {
    const digest = digestOf(shown);
    let isAccepted = false;
    // No early end: see above.
    for (const accepted of this.#digests) if (timingSafeEqual(digest, accepted)) isAccepted = true;
    return isAccepted;
  }
}

/** The secrets of a file: one a line, the first being the one to show. */
export interface SecretLines {
  readonly first: string;
  readonly accepted: SecretSet;
}

export type SecretSource = { readonly value: SecretLines };

/** Throws KvcacheError CONFIG where the file is missing or has no secret of that pattern in it. */
export function watchSecrets(
  file: NamedFile,
  pattern: RegExp,
  onFault: (message: string) => void,
  pollIntervalMs?: number,
): WatchedFiles<SecretLines> {
  return new WatchedFiles({
    files: [file],
    parse: ([text]) => parseSecrets(file, text!, pattern),
    onFault,
    pollIntervalMs,
  });
}

/** One secret that stays. */
export function fixedSecret(secret: string): SecretSource {
  return { value: { first: secret, accepted: new SecretSet([secret]) } };
}

function parseSecrets({ name, path }: NamedFile, text: string, pattern: RegExp): SecretLines {
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  const [first] = secrets;
  if (first === undefined) throw new KvcacheError('CONFIG', `${name} is '${path}', which has no line with a secret`);
  if (secrets.length > secretsAcceptedMax) {
    throw new KvcacheError('CONFIG', `${name} is '${path}', which has more than ${secretsAcceptedMax} lines`);
  }
  const wrong = secrets.findIndex((secret) => !pattern.test(secret));
  if (wrong >= 0) {
    throw new KvcacheError(
      'CONFIG',
      `${name} is '${path}', whose secret ${wrong + 1} has characters that it must not have`,
    );
  }
  return { first, accepted: new SecretSet(secrets) };
}
