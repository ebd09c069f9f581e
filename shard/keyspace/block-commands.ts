/**
 * Prompt blocks: BLOCK.PUT, BLOCK.GET, BLOCK.VERSIONS. Layout of their keys: commands/block-key.ts.
 *
 * A block's key names its content, so storing a version that is there is no second record: the answer only waits until
 * the record that is there is as safe as asked.
 */
import { blockDigestBytes } from '../../commands/block-key.ts';
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply } from '../../commands/reply.ts';
import { blockVersionsMax } from '../../limits.ts';
import { slotOfBlock } from '../../topology/slot.ts';
import { type Entry, spaceOfBlocks, type StoredValue } from '../journal.ts';
import { blockKeyFault, digestFault, notAnInteger, parseInteger } from './arguments.ts';
import { type Change, deletionOf } from './change.ts';
import { type CommandFamily, keptValue, storeFault } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { MissedBlocks } from './missed-blocks.ts';
import { andThen, type Answer } from './answer.ts';

/** Hash and parent: a version in a reply of BLOCK.VERSIONS, and what a key has behind its digest. */
const versionBytes = 16;
const chainIndexMax = 2 ** 31 - 1;

export function blockCommands(keyspace: Keyspace): CommandFamily {
  const missed = new MissedBlocks();
  return [
    ['BLOCK.PUT', (args, context) => put(keyspace, missed, args, context)],
    ['BLOCK.GET', (args) => get(keyspace, args[0]!)],
    ['BLOCK.VERSIONS', (args) => versions(keyspace, missed, args)],
  ];
}

function put(
  keyspace: Keyspace,
  missed: MissedBlocks,
  args: readonly Buffer[],
  context: CommandContext,
): Answer<Reply> {
  const [key, meta, body] = args as [Buffer, Buffer, Buffer];
  const fault = blockKeyFault(key) ?? storeFault(keyspace, meta) ?? storeFault(keyspace, body);
  if (fault !== undefined) return fault;
  const name = nameOf(key);
  const slot = slotOfBlock(key);
  const acknowledgementFault = keyspace.acknowledgementFault(context);
  if (acknowledgementFault !== undefined) return acknowledgementFault;
  // A repetition needs no room in the log and overtakes nothing: it changes nothing.
  const present = readable(keyspace, slot, name);
  if (present !== undefined) {
    // Whoever writes it again has a use for it.
    keyspace.hot.use(present);
    keyspace.lastUse.noteUse(present);
    return whenPresentIsSafe(keyspace, present, context);
  }
  const change: Change = {
    space: spaceOfBlocks,
    key,
    name,
    slot,
    expireAtMs: 0,
    meta: keptValue(meta),
    body: keptValue(body),
    isSole: true,
    chainIndex: missed.chainIndexOf(key),
  };
  return keyspace.queue.run(keyspace.bytesOf([change]), context, () => {
    const meanwhile = readable(keyspace, slot, name);
    if (meanwhile !== undefined) return whenPresentIsSafe(keyspace, meanwhile, context);
    return keyspace.commit([...surplus(keyspace, change), change], context, OK);
  });
}

function readable(keyspace: Keyspace, slot: number, name: string): Entry | undefined {
  const entry = keyspace.live(spaceOfBlocks, slot, name);
  return entry !== undefined && keyspace.isReadable(entry) ? entry : undefined;
}

function whenPresentIsSafe(keyspace: Keyspace, entry: Entry, context: CommandContext): Answer<Reply> {
  if (keyspace.journal === undefined) return OK;
  return keyspace.whenSafe({ segment: entry.segment, end: entry.offset + entry.recordBytes }, context, OK);
}

/**
 * Deletions of the oldest versions, so that with the new one there are not too many. They come before the new record
 * in the group, so that the end of that record is the end of the group.
 */
function surplus(keyspace: Keyspace, change: Change): Change[] {
  const others = keyspace.index
    .versions(change.slot, change.name.slice(0, blockDigestBytes))
    .filter((entry) => entry.key !== change.name);
  return others.slice(blockVersionsMax - 1).map(deletionOf);
}

function get(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = blockKeyFault(key);
  if (fault !== undefined) return fault;
  return andThen(keyspace.read(spaceOfBlocks, slotOfBlock(key), nameOf(key)), blockReply);
}

const noMeta = Buffer.alloc(0);

function blockReply(value: StoredValue | undefined): Reply {
  return value === undefined ? null : [value.meta ?? noMeta, value.body];
}

function versions(keyspace: Keyspace, missed: MissedBlocks, args: readonly Buffer[]): Reply {
  const replies: Reply[] = [];
  for (let index = 0; index < args.length; index += 2) {
    const digest = args[index]!;
    const chainIndex = parseInteger(args[index + 1]!);
    if (chainIndex === undefined || chainIndex < 0 || chainIndex > chainIndexMax) return notAnInteger;
    const fault = digestFault(digest);
    if (fault !== undefined) return fault;
    const reply = versionsOf(keyspace, digest, chainIndex);
    if (reply === null) missed.note(digest, chainIndex);
    replies.push(reply);
  }
  return replies;
}

function versionsOf(keyspace: Keyspace, digest: Buffer, chainIndex: number): Reply {
  const found = keyspace.index
    .versions(slotOfBlock(digest), nameOf(digest))
    .filter((entry) => !keyspace.isExpired(entry));
  if (found.length === 0) return null;
  const reply = Buffer.allocUnsafe(found.length * versionBytes);
  found.forEach((entry, place) => {
    entry.chainIndex = chainIndex;
    reply.write(entry.key.slice(blockDigestBytes), place * versionBytes, versionBytes, 'latin1');
  });
  return reply;
}
