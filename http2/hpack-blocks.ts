/**
 * The last few header blocks of a connection with what they mean, for as long as the table stays as it is.
 *
 * A handful, looked through one by one: a comparison ends at the first byte that differs, and a map would need the
 * block as a string first, which costs more than all of them. The bytes are kept as strings because a small string is a
 * small object, while a Buffer of its own costs hundreds of bytes and a slice of a common one keeps that alive.
 */
import { http2RememberedBlockBytesMax, http2RememberedBlocks } from '../limits.ts';
import type { HeaderFields } from './header-fields.ts';

export interface RememberedBlock {
  readonly bytes: string;
  readonly fields: HeaderFields;
  readonly fault: string | undefined;
}

/** Names whose values hardly come twice: neither the table nor a remembered block gains by them. */
export function isVolatileName(name: string): boolean {
  return name === 'grpc-timeout' || name === 'content-length';
}

export class RememberedBlocks {
  /** Of one version of the table only; the oldest is at `#next` once there are enough. */
  #blocks: RememberedBlock[] = [];
  #next = 0;
  #version = 0;

  find(block: Buffer, version: number): RememberedBlock | undefined {
    if (version !== this.#version) return undefined;
    for (const known of this.#blocks) if (isSame(known.bytes, block)) return known;
    return undefined;
  }

  add(block: Buffer, version: number, fields: HeaderFields, fault: string | undefined): void {
    if (block.length > http2RememberedBlockBytesMax) return;
    if (version !== this.#version) {
      this.#blocks = [];
      this.#next = 0;
      this.#version = version;
    }
    this.#blocks[this.#next] = { bytes: block.toString('latin1'), fields, fault };
    this.#next = (this.#next + 1) % http2RememberedBlocks;
  }
}

function isSame(bytes: string, block: Buffer): boolean {
  const length = bytes.length;
  if (length !== block.length) return false;
  for (let index = 0; index < length; index++) if (bytes.charCodeAt(index) !== block[index]) return false;
  return true;
}
