/**
 * A value that is read from a few files and follows them while the process runs: certificates, keys, secrets.
 *
 * Files that belong together are read together and taken together: a certificate without its key is no value. A
 * content that cannot be taken (half replaced, empty, gone) leaves the value as it was and is reported once, and only
 * when it is still there at the next look: files that are replaced one after the other do not match for a moment.
 *
 * The files are looked at when their directories report an event (a Secret of Kubernetes is replaced by moving a
 * symbolic link inside its directory, which no watch on the file itself would see) and once a second besides, because
 * network and overlay file systems report none. The first look is synchronous, so that whoever needs the value can be
 * made in a constructor; all others are not, so that a file system that hangs holds up nothing.
 */
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KvcacheError, messageOf } from '../errors.ts';
import { securityFileBytesMax, securityPollIntervalMs } from '../limits.ts';

/** A file and the name of the setting that named it, for error texts. */
export interface NamedFile {
  readonly name: string;
  readonly path: string;
}

export interface WatchedFilesOptions<Value> {
  readonly files: readonly NamedFile[];
  /** Makes the value of the files' texts, in their order. Throws KvcacheError CONFIG for what cannot be taken. */
  readonly parse: (texts: readonly string[]) => Value;
  /** Told of every content that was not taken. */
  readonly onFault: (message: string) => void;
  readonly pollIntervalMs?: number | undefined;
}

/** What one look saw: texts, or why there are none. */
type Look = readonly string[] | KvcacheError;

export class WatchedFiles<Value> {
  readonly #options: WatchedFilesOptions<Value>;
  readonly #listeners = new Set<(value: Value) => void>();
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  #value: Value;
  /** The look that `#value` is of, or the last one that was not taken, as text to compare by. */
  #seen: string;
  /** Not taken, and not yet reported: what and since when. */
  #doubt: { readonly message: string; readonly sinceMs: number } | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #closed = false;

  /** Throws KvcacheError CONFIG where the first content cannot be taken. */
  constructor(options: WatchedFilesOptions<Value>) {
    this.#options = options;
    const look = lookNow(options.files);
    if (look instanceof KvcacheError) throw look;
    this.#value = options.parse(look);
    this.#seen = signatureOf(look);
    this.#poll = setInterval(() => void this.refresh(), this.#pollIntervalMs);
    this.#poll.unref();
    for (const directory of new Set(options.files.map(({ path }) => dirname(path)))) this.#watch(directory);
  }

  get value(): Value {
    return this.#value;
  }

  /** Calls back with every further value; answers how to stop that. */
  onChange(listener: (value: Value) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files now. Resolves when what they say has been taken, reported or put in doubt. */
  refresh(): Promise<void> {
    if (this.#looking !== undefined) {
      // A look that is under way may have missed what this one is about.
      this.#lookAgain = true;
      return this.#looking;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    for (const watcher of this.#watchers) watcher.close();
  }

  get #pollIntervalMs(): number {
    return this.#options.pollIntervalMs ?? securityPollIntervalMs;
  }

  async #look(): Promise<void> {
    do {
      this.#lookAgain = false;
      const look = await lookSoon(this.#options.files);
      if (this.#closed) return;
      this.#take(look);
    } while (this.#lookAgain);
  }

  #take(look: Look): void {
    const signature = signatureOf(look);
    if (signature !== this.#seen) {
      this.#seen = signature;
      this.#doubt = undefined;
      const value = this.#parsed(look);
      if (value instanceof KvcacheError) {
        this.#doubt = { message: value.message, sinceMs: performance.now() };
        return;
      }
      this.#value = value;
      for (const listener of this.#listeners) listener(value);
    } else if (this.#doubt !== undefined && performance.now() - this.#doubt.sinceMs >= this.#pollIntervalMs / 2) {
      // Events of one replacement come in bursts; a look half an interval later is none of them.
      this.#options.onFault(this.#doubt.message);
      this.#doubt = undefined;
    }
  }

  #parsed(look: Look): Value | KvcacheError {
    if (look instanceof KvcacheError) return look;
    try {
      return this.#options.parse(look);
    } catch (error) {
      if (error instanceof KvcacheError) return error;
      throw error;
    }
  }

  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => void this.refresh());
      // The directory may go; polling goes on.
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch (error) {
      this.#options.onFault(`${directory} cannot be watched and is looked at by the clock: ${messageOf(error)}`);
    }
  }
}

function lookNow(files: readonly NamedFile[]): Look {
  const texts: string[] = [];
  for (const file of files) {
    try {
      requireBounded(file, statSync(file.path).size);
      texts.push(readFileSync(file.path, 'utf8'));
    } catch (error) {
      return unreadable(file, error);
    }
  }
  return texts;
}

async function lookSoon(files: readonly NamedFile[]): Promise<Look> {
  const texts: string[] = [];
  for (const file of files) {
    try {
      requireBounded(file, (await stat(file.path)).size);
      texts.push(await readFile(file.path, 'utf8'));
    } catch (error) {
      return unreadable(file, error);
    }
  }
  return texts;
}

function requireBounded({ name, path }: NamedFile, bytes: number): void {
  if (bytes <= securityFileBytesMax) return;
  throw new KvcacheError('CONFIG', `${name} is '${path}', which has more than ${securityFileBytesMax} bytes`);
}

function unreadable({ name, path }: NamedFile, error: unknown): KvcacheError {
  if (error instanceof KvcacheError) return error;
  const reason = (error as NodeJS.ErrnoException).code;
  const what = reason === 'ENOENT' ? 'which does not exist' : `which cannot be read (${reason})`;
  return new KvcacheError('CONFIG', `${name} is '${path}', ${what}`, { cause: error });
}

function signatureOf(look: Look): string {
  return look instanceof KvcacheError ? look.message : JSON.stringify(look);
}
