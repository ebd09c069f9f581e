/**
 * What each command of the binary protocol asks of an executor, and how its reply is shown.
 *
 *   GET VALUE.GET   SET, SETNX VALUE.SET   DEL, MDEL DEL   EXISTS EXISTS   INCR, DECR VALUE.INCR   CAS VALUE.CAS
 *   MGET VALUE.MGET   MSET VALUE.MSET   LOCK LOCK   EXTEND EXTEND   UNLOCK UNLOCK   INFO SHARDINFO
 */
import type { Command } from '../../commands/command.ts';
import type { TypedValue } from '../../commands/typed-value.ts';
import { PayloadReader } from './payload-reader.ts';
import { commandCodes, statusCodes } from './protocol.ts';
import { type Answer, answerOf, okAnswer } from './answer.ts';
import { type Encoding, encodings } from './response-writer.ts';

export type TypedRequest =
  | { readonly kind: 'command'; readonly command: Command; readonly encode: Encoding }
  | { readonly kind: 'answer'; readonly answer: Answer };

const decimalTypes: readonly Buffer[] = Array.from({ length: 32 }, (_, type) => Buffer.from(String(type)));
const noExpiry = Buffer.from('0');
const ifAbsent = Buffer.from('NX');
/** For lists of no keys. */
const noValues = answerOf(statusCodes.OK, Buffer.alloc(2));
const noneDeleted = answerOf(statusCodes.OK, Buffer.alloc(4));

/** By the command's byte. Each throws TypedFault for a payload that is none. */
const readers: ReadonlyMap<number, (payload: PayloadReader) => TypedRequest> = new Map([
  [commandCodes.GET, (payload) => command('VALUE.GET', [payload.wholeKey()], encodings.value)],
  [commandCodes.SET, (payload) => set(payload, undefined, encodings.empty)],
  [commandCodes.SETNX, (payload) => set(payload, ifAbsent, encodings.flag)],
  [commandCodes.DEL, (payload) => command('DEL', [payload.wholeKey()], encodings.flag)],
  [commandCodes.EXISTS, (payload) => command('EXISTS', [payload.wholeKey()], encodings.flag)],
  [commandCodes.INCR, (payload) => increment(payload, 1n)],
  [commandCodes.DECR, (payload) => increment(payload, -1n)],
  [commandCodes.CAS, compareAndSet],
  [commandCodes.PING, () => answered(answerOf(statusCodes.OK, Buffer.from('PONG')))],
  [commandCodes.INFO, () => command('SHARDINFO', [], encodings.info)],
  [commandCodes.LOCK, (payload) => lock('LOCK', payload)],
  [commandCodes.EXTEND, (payload) => lock('EXTEND', payload)],
  [commandCodes.UNLOCK, unlock],
  [commandCodes.MGET, (payload) => many('VALUE.MGET', payload, encodings.values, noValues)],
  [commandCodes.MDEL, (payload) => many('DEL', payload, encodings.count, noneDeleted)],
  [commandCodes.MSET, setMany],
]);

/** The request of a frame; undefined for a command that there is none of. Throws TypedFault. */
export function requestOf(code: number, payload: Buffer): TypedRequest | undefined {
  return readers.get(code)?.(new PayloadReader(payload));
}

function command(name: string, args: readonly Buffer[], encode: Encoding): TypedRequest {
  return { kind: 'command', command: { name, args }, encode };
}

function answered(answer: Answer): TypedRequest {
  return { kind: 'answer', answer };
}

function set(payload: PayloadReader, condition: Buffer | undefined, encode: Encoding): TypedRequest {
  const key = payload.key();
  const expiry = expiryOf(payload);
  const { type, body } = payload.value();
  payload.end();
  const args = [key, decimalTypes[type]!, body, expiry];
  if (condition !== undefined) args.push(condition);
  return command('VALUE.SET', args, encode);
}

function increment(payload: PayloadReader, sign: 1n | -1n): TypedRequest {
  const key = payload.key();
  const delta = sign * payload.signed();
  payload.end();
  return command('VALUE.INCR', [key, Buffer.from(delta.toString())], encodings.integer);
}

function compareAndSet(payload: PayloadReader): TypedRequest {
  const key = payload.key();
  const values = [payload.value(), payload.value()];
  const expiry = expiryOf(payload);
  payload.end();
  return command('VALUE.CAS', [key, ...values.flatMap(argumentsOf), expiry], encodings.swapped);
}

function lock(name: 'LOCK' | 'EXTEND', payload: PayloadReader): TypedRequest {
  const key = payload.key();
  const owner = payload.text();
  const ttl = payload.unsigned();
  payload.end();
  return command(name, [key, owner, Buffer.from(ttl.toString())], encodings.flag);
}

function unlock(payload: PayloadReader): TypedRequest {
  const args = [payload.key(), payload.text()];
  payload.end();
  return command('UNLOCK', args, encodings.flag);
}

function many(name: string, payload: PayloadReader, encode: Encoding, none: Answer): TypedRequest {
  const keys: Buffer[] = [];
  for (let left = payload.count(); left > 0; left--) keys.push(payload.key());
  payload.end();
  return keys.length === 0 ? answered(none) : command(name, keys, encode);
}

function setMany(payload: PayloadReader): TypedRequest {
  const count = payload.count();
  const args = [expiryOf(payload)];
  for (let left = count; left > 0; left--) args.push(payload.key(), ...argumentsOf(payload.value()));
  payload.end();
  return count === 0 ? answered(okAnswer) : command('VALUE.MSET', args, encodings.empty);
}

function argumentsOf({ type, body }: TypedValue): Buffer[] {
  return [decimalTypes[type]!, body];
}

/** From a time to live of eight bytes, 0 for none, an absolute time. One that lies beyond all that a clock can say is none. */
function expiryOf(payload: PayloadReader): Buffer {
  if (payload.passZero()) return noExpiry;
  const expireAtMs = BigInt(Date.now()) + payload.unsigned();
  return expireAtMs > BigInt(Number.MAX_SAFE_INTEGER) ? noExpiry : Buffer.from(expireAtMs.toString());
}
