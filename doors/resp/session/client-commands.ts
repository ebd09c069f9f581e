/** CLIENT: what a connection says of itself, and what may be asked of all. */
import { OK, ReplyError } from '../../../commands/reply.ts';
import { respClientWordCharsMax } from '../../../limits.ts';
import type { Client } from '../client.ts';
import type { DoorParts } from '../door-parts.ts';
import { bulk, type RespReply, TextReply } from '../resp-reply.ts';
import {
  dispatch,
  integerOf,
  notAnInteger,
  type SessionCommand,
  syntaxError,
  takes,
  upperWord,
} from './session-command.ts';

const help = [
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are: ADDR, LADDR, ID, TYPE, USER, MAXAGE, SKIPME.',
  'LIST [options ...]',
  '    Return information about client connections. Options: TYPE, ID.',
  'NO-EVICT (ON|OFF)',
  '    Accepted; connections are not evicted for memory here.',
  'NO-TOUCH (ON|OFF)',
  '    Accepted.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETINFO <option> <value>',
  '    Set client meta attr. Options are: LIB-NAME, LIB-VER.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
];

export const clientCommands: readonly SessionCommand[] = [
  {
    name: 'CLIENT',
    arguments: takes(1, Infinity),
    summary: 'Connections: names, replies, list, end.',
    group: 'connection',
    run: dispatch(
      'CLIENT',
      {
        ID: { arguments: takes(0), run: (_, client) => client.id },
        INFO: { arguments: takes(0), run: (_, client) => new TextReply(`${client.describe(Date.now())}\n`) },
        LIST: { arguments: takes(0, Infinity), run: (args, _, { clients }) => list(args, [...clients.all()]) },
        GETNAME: { arguments: takes(0), run: (_, { name }) => (name === '' ? null : bulk(name)) },
        SETNAME: { arguments: takes(1), run: ([name], client) => setName(name!, client) },
        SETINFO: { arguments: takes(2), run: ([option, value], client) => setInformation(option!, value!, client) },
        REPLY: { arguments: takes(1), run: ([mode], client) => reply(mode!, client) },
        KILL: { arguments: takes(1, Infinity), run: kill },
        'NO-EVICT': {
          arguments: takes(1),
          run: ([word], client) => onOff(word!, (isOn) => (client.isNeverEvicted = isOn)),
        },
        'NO-TOUCH': {
          arguments: takes(1),
          run: ([word], client) => onOff(word!, (isOn) => (client.isNeverTouching = isOn)),
        },
      },
      help,
    ),
  },
];

/** What is wrong with a name that a client gives itself. */
export function clientNameFault(name: string): ReplyError | undefined {
  if (isWord(name)) return undefined;
  return new ReplyError('ERR', 'Client names cannot contain spaces, newlines or special characters.');
}

function isWord(text: string): boolean {
  return text.length <= respClientWordCharsMax && /^[!-~]*$/.test(text);
}

function setName(name: Buffer, client: Client): RespReply {
  const text = name.toString('latin1');
  const fault = clientNameFault(text);
  if (fault !== undefined) return fault;
  client.name = text;
  return OK;
}

function setInformation(option: Buffer, value: Buffer, client: Client): RespReply {
  const word = option.toString('utf8');
  const text = value.toString('latin1');
  const name = word.toLowerCase();
  if (name !== 'lib-name' && name !== 'lib-ver')
    return new ReplyError('ERR', `Unrecognized option '${word.slice(0, 128)}'`);
  if (!isWord(text)) return new ReplyError('ERR', `${name} cannot contain spaces, newlines or special characters.`);
  if (name === 'lib-name') client.libraryName = text;
  else client.libraryVersion = text;
  return OK;
}

/** ON is the only one that is answered. */
function reply(mode: Buffer, client: Client): RespReply {
  const word = upperWord(mode);
  if (word === 'ON') client.replyMode = 'on';
  else if (word === 'OFF') client.replyMode = 'off';
  else if (word !== 'SKIP') return syntaxError;
  else if (client.replyMode !== 'off') client.replyMode = 'skip-next';
  return OK;
}

function onOff(word: Buffer, set: (isOn: boolean) => void): RespReply {
  const text = upperWord(word);
  if (text !== 'ON' && text !== 'OFF') return syntaxError;
  set(text === 'ON');
  return OK;
}

/** There are no replicas, no primaries and no subscribers among them. */
const clientTypes: ReadonlySet<string> = new Set(['NORMAL', 'MASTER', 'REPLICA', 'SLAVE', 'PUBSUB']);

function unknownType(type: Buffer): ReplyError {
  return new ReplyError('ERR', `Unknown client type '${type.toString('utf8').slice(0, 128)}'`);
}

function list(args: readonly Buffer[], clients: readonly Client[]): RespReply {
  const described = (chosen: readonly Client[]): TextReply => {
    const now = Date.now();
    return new TextReply(chosen.map((client) => `${client.describe(now)}\n`).join(''));
  };
  if (args.length === 0) return described(clients);
  const option = upperWord(args[0]!);
  if (option === 'TYPE' && args.length === 2) {
    const type = upperWord(args[1]!);
    if (!clientTypes.has(type)) return unknownType(args[1]!);
    return described(type === 'NORMAL' ? clients : []);
  }
  if (option !== 'ID' || args.length < 2) return syntaxError;
  const ids = args.slice(1).map((argument) => integerOf(argument));
  if (ids.some((id) => id === undefined || id < 1)) return new ReplyError('ERR', 'Invalid client ID');
  return described(clients.filter(({ id }) => ids.includes(id)));
}

type Filter = (client: Client) => boolean;

function kill(args: readonly Buffer[], self: Client, { clients }: DoorParts): RespReply {
  if (args.length === 1) {
    const address = args[0]!.toString('latin1');
    const found = [...clients.all()].find(({ peer }) => peer === address);
    if (found === undefined) return new ReplyError('ERR', 'No such client');
    end(found, self);
    return OK;
  }
  let skipsSelf = true;
  const filters: Filter[] = [];
  for (let index = 0; index < args.length; index += 2) {
    const value = args[index + 1];
    if (value === undefined) return syntaxError;
    const option = upperWord(args[index]!);
    if (option === 'SKIPME') {
      const word = upperWord(value);
      if (word !== 'YES' && word !== 'NO') return syntaxError;
      skipsSelf = word === 'YES';
      continue;
    }
    const filter = filterOf(option, value);
    if (filter instanceof ReplyError) return filter;
    filters.push(filter);
  }
  const chosen = [...clients.all()].filter(
    (client) => !(skipsSelf && client === self) && filters.every((filter) => filter(client)),
  );
  for (const client of chosen) end(client, self);
  return chosen.length;
}

function filterOf(option: string, value: Buffer): Filter | ReplyError {
  const text = value.toString('latin1');
  switch (option) {
    case 'ID': {
      const wanted = integerOf(value);
      if (wanted === undefined || wanted < 1) return new ReplyError('ERR', 'client-id should be greater than 0');
      return ({ id }) => id === wanted;
    }
    case 'ADDR':
      return ({ peer }) => peer === text;
    case 'LADDR':
      return ({ local }) => `${local.host}:${local.port}` === text;
    case 'USER':
      if (text !== 'default') return new ReplyError('ERR', `No such user '${value.toString('utf8').slice(0, 128)}'`);
      return () => true;
    case 'TYPE':
      if (!clientTypes.has(upperWord(value))) return unknownType(value);
      return () => upperWord(value) === 'NORMAL';
    case 'MAXAGE': {
      const seconds = integerOf(value);
      if (seconds === undefined) return notAnInteger;
      const nowMs = Date.now();
      return ({ connectedAtMs }) => nowMs - connectedAtMs >= seconds * 1_000;
    }
    default:
      return syntaxError;
  }
}

/** Whoever ends its own connection gets the answer first. */
function end(client: Client, self: Client): void {
  if (client === self) client.isLeaving = true;
  else client.connection.destroy();
}
