/** Reading and changing the text of one key: GETDEL, GETEX, GETRANGE, SUBSTR, SETRANGE, APPEND. */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { valueBytesMax } from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import type { Entry } from '../journal.ts';
import { andThen, type Answer } from './answer.ts';
import { keyFault, notAnInteger } from './arguments.ts';
import { type CommandFamily, storeFault } from './handler.ts';
import { parseCount } from '../../commands/int64.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { commitUnlessPast, copyChange, deleteChange, textChange, textFault, textOfPresent } from './plain-key.ts';
import { expiryOf, parseGetexOptions } from './set-options.ts';
import { type Present, update } from './update.ts';

export function textCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['GETDEL', (args, context) => getAndDelete(keyspace, args[0]!, context)],
    ['GETEX', (args, context) => getAndExpire(keyspace, args, context)],
    ['GETRANGE', (args) => getRange(keyspace, args)],
    ['SUBSTR', (args) => getRange(keyspace, args)],
    ['SETRANGE', (args, context) => setRange(keyspace, args, context)],
    ['APPEND', (args, context) => append(keyspace, args, context)],
  ];
}

const empty = Buffer.alloc(0);
const tooLong = new ReplyError('ERR', 'string exceeds maximum allowed size (proto-max-bulk-len)');

/** nil or WRONGTYPE for what has no text to answer. */
function settleText(entry: Entry | undefined): Reply | undefined {
  return entry === undefined ? null : textFault(entry);
}

function getAndDelete(keyspace: Keyspace, key: Buffer, context: CommandContext): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const change = deleteChange(key);
  const apply = (present: Present | undefined): Answer<Reply> =>
    keyspace.commit([change], context, textOfPresent(present!));
  return update(keyspace, { key, bytes: keyspace.bytesOf([change]), settle: settleText, apply }, context);
}

function getAndExpire(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const key = args[0]!;
  const options = keyFault(key) ?? parseGetexOptions(args);
  if (options instanceof ReplyError) return options;
  const { time, persists } = options;
  if (time === undefined && !persists) return readText(keyspace, key);
  const expireAtMs = expiryOf(time, keyspace.now(), 'getex');
  const settle = (entry: Entry | undefined): Reply | undefined => {
    const settled = settleText(entry);
    if (settled === undefined && expireAtMs instanceof ReplyError) return expireAtMs;
    return settled;
  };
  const apply = (present: Present | undefined): Answer<Reply> => {
    const { entry } = present!;
    const text = textOfPresent(present!);
    const isSame = persists && entry.expireAtMs === 0;
    if (isSame) return text;
    return commitUnlessPast(keyspace, copyChange(key, present!, expireAtMs as number), entry, context, text);
  };
  return update(keyspace, { key, bytes: key.byteLength, settle, apply }, context);
}

function readText(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  return andThen(keyspace.readText(slotOf(key), nameOf(key)), (text) => text ?? null);
}

/** Both ends count, negative ones from the end of the text. */
function getRange(keyspace: Keyspace, [key, first, last]: readonly Buffer[]): Answer<Reply> {
  const fault = keyFault(key!);
  if (fault !== undefined) return fault;
  const start = parseCount(first!);
  const end = parseCount(last!);
  if (start === undefined || end === undefined) return notAnInteger;
  return andThen(readText(keyspace, key!), (text) => {
    if (text === null) return empty;
    if (!Buffer.isBuffer(text)) return text;
    const length = text.byteLength;
    if (start < 0 && end < 0 && start > end) return empty;
    const from = Math.max(0, start < 0 ? length + start : start);
    const to = Math.min(length - 1, Math.max(0, end < 0 ? length + end : end));
    return from > to ? empty : text.subarray(from, to + 1);
  });
}

/** Overwrites a part; what lies between the end of the text and the part becomes zeros. */
function setRange(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, at, part] = args as [Buffer, Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, part);
  if (fault !== undefined) return fault;
  const offset = parseCount(at);
  if (offset === undefined) return notAnInteger;
  if (offset < 0) return new ReplyError('ERR', 'offset is out of range');
  const end = offset + part.byteLength;
  const settle = (entry: Entry | undefined): Reply | undefined => {
    const wrong = textFault(entry);
    if (wrong !== undefined) return wrong;
    if (part.byteLength === 0) return entry === undefined ? 0 : undefined;
    return end > valueBytesMax ? tooLong : undefined;
  };
  const apply = (present: Present | undefined): Answer<Reply> => {
    const old = present === undefined ? empty : textOfPresent(present);
    if (part.byteLength === 0) return old.byteLength;
    const text = Buffer.alloc(Math.max(old.byteLength, end));
    old.copy(text);
    part.copy(text, offset);
    return changeText(keyspace, key, text, present, context);
  };
  return update(keyspace, { key, bytes: key.byteLength + Math.min(end, valueBytesMax), settle, apply }, context);
}

function append(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, part] = args as [Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, part);
  if (fault !== undefined) return fault;
  const apply = (present: Present | undefined): Answer<Reply> => {
    const old = present === undefined ? empty : textOfPresent(present);
    if (old.byteLength + part.byteLength > valueBytesMax) return tooLong;
    if (present !== undefined && part.byteLength === 0) return old.byteLength;
    return changeText(keyspace, key, Buffer.concat([old, part]), present, context);
  };
  return update(keyspace, { key, bytes: key.byteLength + part.byteLength, settle: textFault, apply }, context);
}

/** Stores the new text with the expiry that the old one had, and answers its length. */
function changeText(
  keyspace: Keyspace,
  key: Buffer,
  text: Buffer,
  present: Present | undefined,
  context: CommandContext,
): Answer<Reply> {
  const fault = storeFault(keyspace, text);
  if (fault !== undefined) return fault;
  const change = textChange(key, text, present?.entry.expireAtMs ?? 0);
  return keyspace.commit([change], context, text.byteLength);
}
