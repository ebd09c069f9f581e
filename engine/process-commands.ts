/**
 * What ioredis has beside commands on keys and makes sense in one process: PING, ECHO, TIME, and SELECT of the only
 * database. Without them a program that checks its connection at the start would not run with the engine.
 */
import { echo, type KeylessCommand, ping, time } from '../commands/keyless-commands.ts';
import { OK, type Reply, ReplyError } from '../commands/reply.ts';

const select = {
  arguments: { min: 1, max: 1 },
  run: ([index]: readonly Buffer[]) =>
    index!.toString('latin1') === '0' ? OK : new ReplyError('ERR', 'DB index is out of range'),
};

const processCommands = new Map<string, Omit<KeylessCommand, 'run'> & { run(args: readonly Buffer[]): Reply }>([
  ['PING', ping],
  ['ECHO', echo],
  ['TIME', time],
  ['SELECT', select],
]);

/** The reply, or undefined for the name of another command. */
export function processReply(name: string, args: readonly Buffer[]): Reply | undefined {
  const command = processCommands.get(name);
  if (command === undefined) return undefined;
  const { min, max } = command.arguments;
  if (args.length >= min && args.length <= max) return command.run(args);
  return new ReplyError('ERR', `wrong number of arguments for '${name.toLowerCase()}' command`);
}
