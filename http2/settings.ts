/** SETTINGS: what a peer says of itself, and what we say. Each is an id of two bytes and a value of four. */
import { http2FrameBytesMax } from '../limits.ts';
import {
  errorCode,
  Http2Fault,
  initialFrameBytesMax,
  initialWindowBytes,
  settingId,
  windowBytesMax,
} from './protocol.ts';

const settingBytes = 6;
const frameBytesMaxMax = 2 ** 24 - 1;

/** As they stand before the peer has said anything. Unknown ids are ignored. */
export class PeerSettings {
  headerTableBytes = 4_096;
  /** Infinity: it has named no bound. */
  streamsMax = Infinity;
  windowBytes = initialWindowBytes;
  /** And no more than we take ourselves: behind a larger one the other streams would wait. */
  frameBytesMax = initialFrameBytesMax;

  /** Throws Http2Fault for values that no setting may have. */
  take(payload: Buffer): void {
    if (payload.byteLength % settingBytes !== 0) {
      throw new Http2Fault(errorCode.frameSizeError, `SETTINGS of ${payload.byteLength} bytes`);
    }
    for (let at = 0; at < payload.byteLength; at += settingBytes) {
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
  }

  #set(id: number, value: number): void {
    if (id === settingId.headerTableSize) {
      this.headerTableBytes = value;
    } else if (id === settingId.enablePush) {
      if (value > 1) throw new Http2Fault(errorCode.protocolError, `ENABLE_PUSH is ${value}`);
    } else if (id === settingId.maxConcurrentStreams) {
      this.streamsMax = value;
    } else if (id === settingId.initialWindowSize) {
      if (value > windowBytesMax) throw new Http2Fault(errorCode.flowControlError, `INITIAL_WINDOW_SIZE is ${value}`);
      this.windowBytes = value;
    } else if (id === settingId.maxFrameSize) {
      if (value < initialFrameBytesMax || value > frameBytesMaxMax) {
        throw new Http2Fault(errorCode.protocolError, `MAX_FRAME_SIZE is ${value}`);
      }
      this.frameBytesMax = Math.min(value, http2FrameBytesMax);
    }
  }
}

/** The payload of a SETTINGS frame. */
export function settingsPayload(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * settingBytes);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * settingBytes);
    payload.writeUInt32BE(value, index * settingBytes + 2);
  }
  return payload;
}
