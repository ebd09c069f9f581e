/** Responses that are there before anybody writes them: what a door says by itself, and small payloads. */
import { type StatusByte, statusCodes } from './protocol.ts';

/** A response. */
export interface Answer {
  readonly status: StatusByte;
  readonly payload: Buffer;
}

const nothing = Buffer.alloc(0);

export function answerOf(status: StatusByte, payload: Buffer = nothing): Answer {
  return { status, payload };
}

export function errorAnswer(text: string): Answer {
  return answerOf(statusCodes.ERROR, Buffer.from(text, 'utf8'));
}

export function invalidAnswer(text: string): Answer {
  return answerOf(statusCodes.INVALID, Buffer.from(text, 'utf8'));
}

export const okAnswer = answerOf(statusCodes.OK);
export const nullAnswer = answerOf(statusCodes.NULL);
export const casFailedAnswer = answerOf(statusCodes.CAS_FAILED);
export const yesAnswer = answerOf(statusCodes.OK, Buffer.from([1]));
export const noAnswer = answerOf(statusCodes.OK, Buffer.from([0]));
