/**
 * The numbers of the binary protocol, for server and client.
 *
 *   request    command(1)  length(4, big-endian)  payload
 *   response   status(1)   length(4, big-endian)  payload
 */

export const frameHeadBytes = 5;

export const commandCodes = {
  GET: 0x01,
  SET: 0x02,
  DEL: 0x03,
  EXISTS: 0x04,
  INCR: 0x05,
  DECR: 0x06,
  CAS: 0x07,
  PING: 0x08,
  INFO: 0x09,
  SETNX: 0x0a,
  LOCK: 0x0b,
  UNLOCK: 0x0c,
  EXTEND: 0x0d,
  MGET: 0x0e,
  MSET: 0x0f,
  MDEL: 0x10,
  AUTH: 0x11,
} as const;

export const statusCodes = { OK: 0, NULL: 1, ERROR: 2, INVALID: 3, CAS_FAILED: 4 } as const;
export type StatusByte = (typeof statusCodes)[keyof typeof statusCodes];

/** A frame's head: its code, and the length of what follows. */
export function frameHead(code: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(frameHeadBytes);
  writeFrameHead(head, 0, code, payloadBytes);
  return head;
}

/** Into what has room for it from `at` on. */
export function writeFrameHead(into: Buffer, at: number, code: number, payloadBytes: number): void {
  into[at] = code;
  into.writeUInt32BE(payloadBytes, at + 1);
}

export function tooLargeText(payloadBytes: number): string {
  return `Payload too large: ${payloadBytes} bytes (max 64MB)`;
}
