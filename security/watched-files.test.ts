import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { securityFileBytesMax } from '../limits.ts';
import { WatchedFiles } from './watched-files.ts';

let folder: string;
let faults: string[];
let onFault: () => void;
const opened: { close(): void }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-watched-'));
  faults = [];
  onFault = () => undefined;
});
afterEach(() => {
  for (const watched of opened.splice(0)) watched.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Two files that belong together when they say the same; `pollIntervalMs` is far off unless a test is about it. */
function pairOf(pollIntervalMs = 3_600_000, directory = folder): WatchedFiles<string> {
  const watched = new WatchedFiles({
    files: ['first', 'second'].map((name) => ({ name, path: join(directory, name) })),
    parse: ([first, second]) => {
      if (first !== second) throw new KvcacheError('CONFIG', `${first} is not ${second}`);
      return first!;
    },
    onFault: (message) => {
      faults.push(message);
      onFault();
    },
    pollIntervalMs,
  });
  opened.push(watched);
  return watched;
}

function write(first: string, second = first, directory = folder): void {
  writeFileSync(join(directory, 'first'), first);
  writeFileSync(join(directory, 'second'), second);
}

/** The next value that is taken. */
function changeOf(watched: WatchedFiles<string>): Promise<string> {
  return new Promise((resolve) => {
    const stop = watched.onChange((value) => {
      stop();
      resolve(value);
    });
  });
}

/** A folder as Kubernetes mounts a Secret: files are links into `..data`, a link that is moved as a whole. */
function mountVersion(version: string): void {
  const directory = join(folder, `..${version}`);
  mkdirSync(directory);
  write(version, version, directory);
  symlinkSync(`..${version}`, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
}

test('a value is there at once and follows its files by events of their directory', async () => {
  write('one');
  const watched = pairOf();
  expect(watched.value).toBe('one');
  const change = changeOf(watched);
  write('two');
  expect(await change).toBe('two');
  expect(watched.value).toBe('two');
});

test('a Secret of Kubernetes is followed through the link that is moved', async () => {
  mountVersion('one');
  for (const name of ['first', 'second']) symlinkSync(join('..data', name), join(folder, name));
  const watched = pairOf();
  expect(watched.value).toBe('one');
  for (const version of ['two', 'three']) {
    const change = changeOf(watched);
    mountVersion(version);
    expect(await change).toBe(version);
  }
  expect(faults).toEqual([]);
});

test('without events the files are looked at by the clock', async () => {
  // The directory that is watched is not the one where the file changes.
  const elsewhere = mkdtempSync(join(tmpdir(), 'kvcache-elsewhere-'));
  try {
    write('one', 'one', elsewhere);
    for (const name of ['first', 'second']) symlinkSync(join(elsewhere, name), join(folder, name));
    const watched = pairOf(10);
    const change = changeOf(watched);
    write('two', 'two', elsewhere);
    expect(await change).toBe('two');
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});

test('what cannot be taken leaves the value as it was and is reported once', async () => {
  write('one');
  const watched = pairOf(20);
  const reported = Promise.withResolvers<void>();
  onFault = reported.resolve;
  write('two', 'three');
  await reported.promise;
  for (let look = 0; look < 5; look++) await watched.refresh();
  expect(faults).toEqual(['two is not three']);
  expect(watched.value).toBe('one');
  const change = changeOf(watched);
  write('four');
  expect(await change).toBe('four');
});

test('files that are replaced one after the other are no fault', async () => {
  write('one');
  const watched = pairOf();
  const change = changeOf(watched);
  writeFileSync(join(folder, 'first'), 'two');
  await watched.refresh();
  await watched.refresh();
  expect(watched.value).toBe('one');
  writeFileSync(join(folder, 'second'), 'two');
  expect(await change).toBe('two');
  expect(faults).toEqual([]);
});

test('a file that goes away leaves the value as it was', async () => {
  write('one');
  const watched = pairOf();
  unlinkSync(join(folder, 'second'));
  await watched.refresh();
  expect(watched.value).toBe('one');
  const change = changeOf(watched);
  write('two');
  expect(await change).toBe('two');
});

test('what is wrong from the start is thrown, by the name of its setting', () => {
  expect(() => pairOf()).toThrow(`first is '${join(folder, 'first')}', which does not exist`);
  write('one', 'two');
  expect(() => pairOf()).toThrow('one is not two');
  write('x'.repeat(securityFileBytesMax + 1));
  expect(() => pairOf()).toThrow(`which has more than ${securityFileBytesMax} bytes`);
  unlinkSync(join(folder, 'first'));
  mkdirSync(join(folder, 'first'));
  expect(() => pairOf()).toThrow('which cannot be read (EISDIR)');
});

test('nobody is called back any more after close, or after having stopped to listen', async () => {
  write('one');
  const watched = pairOf();
  const heard: string[] = [];
  const stop = watched.onChange((value) => heard.push(value));
  stop();
  write('two');
  await watched.refresh();
  expect([watched.value, heard]).toEqual(['two', []]);
  watched.onChange((value) => heard.push(value));
  write('three');
  const look = watched.refresh();
  watched.close();
  await look;
  expect(heard).toEqual([]);
});
