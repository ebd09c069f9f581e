/**
 * Loaded into a shard's process ahead of its program (`node --import`): notes how much of each file has been forced to
 * the disk, a line of JSON a sync, in the file that SYNC_RECORD names (lost-machine.ts reads it).
 *
 * What counts is the length that the file had when the sync began. What the system wrote by itself does not count: a
 * machine that loses its power owes nobody those bytes.
 */
import fs from 'node:fs';

const recordPath = process.env['SYNC_RECORD']!;
const paths = new Map<number, string>();

const { fdatasync, fsyncSync, openSync } = fs;

function note(fd: number, bytes: number): void {
  const path = paths.get(fd);
  if (path !== undefined) fs.appendFileSync(recordPath, `${JSON.stringify({ path, bytes })}\n`);
}

fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest);
  paths.set(fd, String(path));
  return fd;
};

fs.fdatasync = Object.assign((fd: number, callback: fs.NoParamCallback) => {
  const { size } = fs.fstatSync(fd);
  fdatasync(fd, (error) => {
    // Noted before anybody hears of it.
    if (error === null) note(fd, size);
    callback(error);
  });
}, fdatasync);

fs.fsyncSync = (fd) => {
  fsyncSync(fd);
  note(fd, fs.fstatSync(fd).size);
};
