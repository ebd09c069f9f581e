/**
 * What a data directory holds before recovery, told from the files alone.
 *
 *   <data>/format      format version of the directory
 *   <data>/shard.json  { incarnation, nextSegment }: the last incarnation under which this directory was written, and
 *                      the number that its next segment has at least
 *   <data>/segments/   segment files and hints
 *   <data>/damaged/    files whose first bytes are not those of a segment, moved aside for people to look at
 */
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KvcacheError } from '../../errors.ts';
import { fileLooksInFlightMax } from '../../limits.ts';
import { replaceFile } from '../../durable-file.ts';
import { isIntactHint, readHintHead } from '../log/hint.ts';
import { decodeSegmentHeader, formatVersion, segmentHeaderBytes, type SegmentHeader } from '../log/segment-header.ts';
import type { SegmentIdentity } from '../segment.ts';

const formatText = `kvcache data format ${formatVersion}\n`;

export interface FoundSegment {
  readonly header: SegmentHeader;
  readonly path: string;
  readonly fileBytes: number;
}

export interface Inventory {
  /** Segment files, by id. */
  readonly files: Map<number, FoundSegment>;
  /** Ids that have a hint file. */
  readonly hints: Set<number>;
  /** Files moved aside because their header is damaged. */
  readonly damaged: readonly string[];
  /** Undefined for a new directory. */
  readonly incarnation: number | undefined;
  /** No segment of a lower number is begun: the manifest may list one whose file is gone from here. */
  readonly nextSegment: number;
}

/** What shard.json says. */
export interface DirectoryMark {
  readonly incarnation: number;
  readonly nextSegment: number;
}

/** Makes the directory if need be and lists what is there. Rejects with FORMAT for a foreign format. */
export async function takeInventory(folder: string): Promise<Inventory> {
  const segmentFolder = join(folder, 'segments');
  await mkdir(segmentFolder, { recursive: true });
  await checkFormat(folder);
  const files = new Map<number, FoundSegment>();
  const hints = new Set<number>();
  const damaged: string[] = [];
  const logs: string[] = [];
  for (const name of await readdir(segmentFolder)) {
    if (name.endsWith('.new')) await unlink(join(segmentFolder, name));
    else if (name.endsWith('.hint')) hints.add(Number.parseInt(name, 10));
    else if (name.endsWith('.log')) logs.push(name);
  }
  for (let first = 0; first < logs.length; first += fileLooksInFlightMax) {
    const group = logs.slice(first, first + fileLooksInFlightMax);
    const looks = group.map(async (name) => ({ name, found: await inspect(join(segmentFolder, name)) }));
    for (const { name, found } of await Promise.all(looks)) {
      if (found !== undefined && found.header.id === Number.parseInt(name, 10)) files.set(found.header.id, found);
      else damaged.push(await moveAside(folder, join(segmentFolder, name), name));
    }
  }
  const mark = await readMark(folder);
  return { files, hints, damaged, incarnation: mark?.incarnation, nextSegment: mark?.nextSegment ?? 1 };
}

async function checkFormat(folder: string): Promise<void> {
  const path = join(folder, 'format');
  const text = await readIfThere(path);
  if (text === undefined) await replaceFile(path, formatText);
  else if (text !== formatText) {
    throw new KvcacheError(
      'FORMAT',
      `${path} says '${text.trim()}'; this version reads '${formatText.trim()}': use the version that wrote it`,
    );
  }
}

async function inspect(path: string): Promise<FoundSegment | undefined> {
  const { size } = await stat(path);
  const handle = await open(path, 'r');
  try {
    const head = Buffer.alloc(segmentHeaderBytes);
    const { bytesRead } = await handle.read(head, 0, segmentHeaderBytes, 0);
    const header = decodeSegmentHeader(head.subarray(0, bytesRead));
    return header && { header, path, fileBytes: size };
  } finally {
    await handle.close();
  }
}

async function moveAside(folder: string, path: string, name: string): Promise<string> {
  await mkdir(join(folder, 'damaged'), { recursive: true });
  const target = join(folder, 'damaged', `${name}.${Date.now()}`);
  await rename(path, target);
  return target;
}

async function readMark(folder: string): Promise<DirectoryMark | undefined> {
  const text = await readIfThere(join(folder, 'shard.json'));
  if (text === undefined) return undefined;
  const { incarnation, nextSegment } = JSON.parse(text) as { incarnation?: unknown; nextSegment?: unknown };
  if (typeof incarnation !== 'number') {
    throw new KvcacheError('FORMAT', `${join(folder, 'shard.json')} has no incarnation`);
  }
  return { incarnation, nextSegment: typeof nextSegment === 'number' ? nextSegment : 1 };
}

/** Remembers under which incarnation the directory is written from now on, and which numbers are taken. */
export async function writeMark(folder: string, mark: DirectoryMark): Promise<void> {
  await replaceFile(join(folder, 'shard.json'), `${JSON.stringify(mark)}\n`);
}

/** The hint file if it is there, intact and that of this segment. */
export async function readIntactHint(path: string, identity: SegmentIdentity): Promise<Buffer | undefined> {
  const hint = await readBytesIfThere(path);
  return hint !== undefined && isIntactHint(hint, identity) ? hint : undefined;
}

/** Whose hint a file is, when nothing else tells. */
export async function identityOfHint(path: string): Promise<SegmentIdentity | undefined> {
  const hint = await readBytesIfThere(path);
  return hint === undefined ? undefined : readHintHead(hint);
}

async function readBytesIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return (await readBytesIfThere(path))?.toString('utf8');
}
