/** HELLO, AUTH, SELECT, PING, ECHO, QUIT, RESET, READONLY, READWRITE, ASKING, TIME. */
import { echo, ping, time } from '../../../commands/keyless-commands.ts';
import { OK, ReplyError } from '../../../commands/reply.ts';
import type { Admission } from '../../../security/authenticator.ts';
import { respVersion } from '../version.ts';
import type { Client } from '../client.ts';
import type { DoorParts } from '../door-parts.ts';
import { bulk, ErrorLine, RespMap, type RespReply } from '../resp-reply.ts';
import { clientNameFault } from './client-commands.ts';
import { integerOf, type SessionCommand, takes, upperWord } from './session-command.ts';

const wrongPassword = new ErrorLine('WRONGPASS', 'invalid username-password pair or user is disabled.');
const notAuthenticated = new ReplyError(
  'NOAUTH',
  'HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
);
const noPasswordSet = new ReplyError(
  'ERR',
  'AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
);
const noProtocol = new ErrorLine('NOPROTO', 'unsupported protocol version');
const otherDatabase = new ReplyError('ERR', 'SELECT is not allowed in cluster mode');

export const connectionCommands: readonly SessionCommand[] = [
  command('HELLO', takes(0, Infinity), 'Chooses the protocol, and shows a password.', hello, true),
  command('AUTH', takes(1, 2), 'Shows a password.', auth, true),
  command('SELECT', takes(1), 'Chooses the database, of which there is one.', ([index]) => select(index!)),
  command('PING', ping.arguments, 'Answers.', ping.run),
  command('ECHO', echo.arguments, 'Answers with its argument.', echo.run),
  command('QUIT', takes(0, Infinity), 'Ends the connection.', quit, true),
  command('RESET', takes(0), 'Makes the connection as it was at first.', reset, true),
  // Slots are opened by their new owner as they move: there is nothing that only the old one has, and no replica.
  command('ASKING', takes(0), 'Accepted for clients of clusters.', () => OK),
  command('READONLY', takes(0), 'Accepted for clients of clusters.', () => OK),
  command('READWRITE', takes(0), 'Accepted for clients of clusters.', () => OK),
  { ...command('TIME', time.arguments, 'The time of this server.', time.run), group: 'server' },
];

function command(
  name: string,
  bounds: SessionCommand['arguments'],
  summary: string,
  run: SessionCommand['run'],
  isOpen = false,
): SessionCommand {
  return { name, arguments: bounds, summary, group: 'connection', run, ...(isOpen && { isOpen: true }) };
}

/** What HELLO is asked for beside the protocol. */
interface Greeting {
  password?: Buffer;
  name?: string;
}

function hello(args: readonly Buffer[], client: Client, parts: DoorParts): RespReply {
  const [version, ...options] = args;
  const wanted = version === undefined ? client.protocol : integerOf(version);
  if (wanted === undefined) return new ReplyError('ERR', 'Protocol version is not an integer or out of range');
  if (wanted !== 2 && wanted !== 3) return noProtocol;
  const greeting = greetingOf(options);
  if (greeting instanceof ReplyError) return greeting;
  if (greeting.password !== undefined && !admits(greeting.password, client, parts)) return wrongPassword;
  if (!client.isAuthenticated) return notAuthenticated;
  client.protocol = wanted;
  if (greeting.name !== undefined) client.name = greeting.name;
  const { isEnabled } = parts.cluster;
  return new RespMap([
    [bulk('server'), bulk('redis')],
    [bulk('version'), bulk(respVersion)],
    [bulk('proto'), wanted],
    [bulk('id'), client.id],
    [bulk('mode'), bulk(isEnabled ? 'cluster' : 'standalone')],
    [bulk('role'), bulk('master')],
    [bulk('modules'), []],
  ]);
}

function greetingOf(options: readonly Buffer[]): Greeting | ReplyError {
  const greeting: Greeting = {};
  for (let index = 0; index < options.length; index++) {
    const word = upperWord(options[index]!);
    if (word === 'AUTH' && index + 2 < options.length) {
      greeting.password = options[index + 2]!;
      index += 2;
    } else if (word === 'SETNAME' && index + 1 < options.length) {
      index += 1;
      const name = options[index]!.toString('latin1');
      const fault = clientNameFault(name);
      if (fault !== undefined) return fault;
      greeting.name = name;
    } else {
      return new ReplyError('ERR', `Syntax error in HELLO option '${options[index]!.toString('utf8').slice(0, 128)}'`);
    }
  }
  return greeting;
}

/** Any user name will do, as with the other doors; the password may be a token. */
function auth(args: readonly Buffer[], client: Client, parts: DoorParts): RespReply {
  if (args.length === 1 && !parts.authenticator.isRequired) return noPasswordSet;
  return admits(args.at(-1)!, client, parts) ? OK : wrongPassword;
}

function admits(shown: Buffer, client: Client, { authenticator, refusals }: DoorParts): boolean {
  const secret = shown.toString('utf8');
  let admission: Admission = authenticator.check({ kind: 'password', secret });
  if (admission.kind === 'refused') admission = authenticator.check({ kind: 'token', secret });
  if (admission.kind === 'refused') {
    refusals?.add('resp', admission.reason);
    return false;
  }
  client.isAuthenticated = true;
  const { identity } = admission;
  if (identity !== undefined && client.session.identity === undefined) client.session = { ...client.session, identity };
  return true;
}

function select(index: Buffer): RespReply {
  const database = integerOf(index);
  if (database === undefined) return new ReplyError('ERR', 'value is not an integer or out of range');
  return database === 0 ? OK : otherDatabase;
}

function quit(_args: readonly Buffer[], client: Client): RespReply {
  client.isLeaving = true;
  return OK;
}

function reset(_args: readonly Buffer[], client: Client, { authenticator }: DoorParts): RespReply {
  client.protocol = 2;
  client.name = '';
  client.replyMode = 'on';
  client.isNeverEvicted = false;
  client.isNeverTouching = false;
  client.isAuthenticated = !authenticator.isRequired;
  return 'RESET';
}
