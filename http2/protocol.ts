/** The numbers of HTTP/2: https://www.rfc-editor.org/rfc/rfc9113 (sections 4.1, 6 and 7). */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlag = {
  endStream: 0x1,
  acknowledgement: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export const frameHeadBytes = 9;
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Windows and frames before any SETTINGS. */
export const initialWindowBytes = 65_535;
export const initialFrameBytesMax = 16_384;
export const windowBytesMax = 2 ** 31 - 1;
export const streamIdMax = 2 ** 31 - 1;

/** What ends the connection: its peer broke the protocol or went too far. `code` goes to the peer with GOAWAY. */
export class Http2Fault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'Http2Fault';
    this.code = code;
  }
}
