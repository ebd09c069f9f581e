/** Storing text under one key: SET, SETNX, SETEX, PSETEX, GETSET. Any type that was there is replaced. */
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import type { Answer } from './answer.ts';
import { keyFault } from './arguments.ts';
import type { Change } from './change.ts';
import { argumentChange, type CommandFamily, storeFault } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { commitUnlessPast, liveOf, textFault, textOfPresent } from './plain-key.ts';
import { expiryOf, parseSetOptions, type SetOptions } from './set-options.ts';
import { parseLifetime, type TimeUnit, timeUnits } from './times.ts';
import { update } from './update.ts';

export function setCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['SET', (args, context) => set(keyspace, args, context)],
    ['SETNX', (args, context) => setIfAbsent(keyspace, args, context)],
    ['SETEX', (args, context) => setWithLife(keyspace, args, timeUnits.get('EX')!, 'setex', context)],
    ['PSETEX', (args, context) => setWithLife(keyspace, args, timeUnits.get('PX')!, 'psetex', context)],
    ['GETSET', (args, context) => getSet(keyspace, args, context)],
  ];
}

const plainSet: SetOptions = { time: undefined, keepsExpiry: false, condition: 'always', returnsOld: false };
const getAndSet: SetOptions = { ...plainSet, returnsOld: true };

function set(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, value] = args as [Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, value);
  if (fault !== undefined) return fault;
  const options = args.length === 2 ? plainSet : parseSetOptions(args);
  if (options instanceof ReplyError) return options;
  const expireAtMs = options.time === undefined ? 0 : expiryOf(options.time, keyspace.now(), 'set');
  if (expireAtMs instanceof ReplyError) return expireAtMs;
  const name = nameOf(key);
  const change = argumentChange(key, name, expireAtMs, value);
  if (options.returnsOld) return setAndGet(keyspace, change, options, context);
  const changes = [change];
  return keyspace.write([name], keyspace.bytesOf(changes), context, () =>
    options === plainSet ? keyspace.commit(changes, context, OK) : setWith(keyspace, change, options, context),
  );
}

function isMet({ condition }: SetOptions, isPresent: boolean): boolean {
  return condition === 'always' || (condition === 'present') === isPresent;
}

function setWith(keyspace: Keyspace, change: Change, options: SetOptions, context: CommandContext): Answer<Reply> {
  const current = liveOf(keyspace, change.key);
  if (!isMet(options, current !== undefined)) return null;
  const expireAtMs = options.keepsExpiry ? (current?.expireAtMs ?? 0) : change.expireAtMs;
  return commitUnlessPast(keyspace, { ...change, expireAtMs }, current, context, OK);
}

/** The answer is the old value, also where the condition kept it from being replaced. */
function setAndGet(keyspace: Keyspace, change: Change, options: SetOptions, context: CommandContext): Answer<Reply> {
  return update(
    keyspace,
    {
      key: change.key,
      bytes: keyspace.bytesOf([change]),
      settle: textFault,
      apply: (present) => {
        const old = present === undefined ? null : textOfPresent(present);
        if (!isMet(options, present !== undefined)) return old;
        const expireAtMs = options.keepsExpiry ? (present?.entry.expireAtMs ?? 0) : change.expireAtMs;
        return commitUnlessPast(keyspace, { ...change, expireAtMs }, present?.entry, context, old);
      },
    },
    context,
  );
}

function getSet(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, value] = args as [Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, value);
  return fault ?? setAndGet(keyspace, argumentChange(key, nameOf(key), 0, value), getAndSet, context);
}

function setIfAbsent(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, value] = args as [Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, value);
  if (fault !== undefined) return fault;
  const change = argumentChange(key, nameOf(key), 0, value);
  return keyspace.write([change.name], keyspace.bytesOf([change]), context, () =>
    liveOf(keyspace, key) === undefined ? keyspace.commit([change], context, 1) : 0,
  );
}

function setWithLife(
  keyspace: Keyspace,
  args: readonly Buffer[],
  unit: TimeUnit,
  command: string,
  context: CommandContext,
): Answer<Reply> {
  const [key, life, value] = args as [Buffer, Buffer, Buffer];
  const fault = keyFault(key) ?? storeFault(keyspace, value);
  if (fault !== undefined) return fault;
  const expireAtMs = parseLifetime(life, unit, keyspace.now(), command);
  if (expireAtMs instanceof ReplyError) return expireAtMs;
  const change = argumentChange(key, nameOf(key), expireAtMs, value);
  return keyspace.write([change.name], keyspace.bytesOf([change]), context, () =>
    keyspace.commit([change], context, OK),
  );
}
