/**
 * Values that tell what they are, so that a reader judges every byte without a copy of what was written.
 *
 *   value = name "\n" version "\n" keystream     the keystream begun with all three: name, version, length
 *
 * A version lost, another key's value, bytes of two versions in one value, a value cut short: each shows.
 */
import { blockContent, type BlockIdentity, isBlockContent } from '../cli/playground/content.ts';

function identityOf(name: string, version: number, bytes: number): BlockIdentity {
  return { scope: Buffer.from(name), chainedHash: BigInt(version), chainedParent: BigInt(bytes) };
}

/** The value of a name's version, `bytes` long if that is enough for its head. */
export function valueOf(name: string, version: number, bytes: number): Buffer {
  const head = Buffer.from(`${name}\n${version}\n`);
  const bodyBytes = Math.max(0, bytes - head.byteLength);
  return Buffer.concat([head, blockContent(identityOf(name, version, bodyBytes), bodyBytes)]);
}

/** Which version of `name` this is. Throws if it is not, byte for byte, one that `valueOf` made. */
export function versionOf(name: string, value: Buffer): number {
  const nameEnd = value.indexOf(10);
  const headEnd = value.indexOf(10, nameEnd + 1) + 1;
  const found = value.toString('utf8', 0, Math.max(0, nameEnd));
  const version = Number(value.toString('latin1', nameEnd + 1, headEnd - 1));
  if (nameEnd < 0 || headEnd <= 0 || found !== name || !Number.isSafeInteger(version)) {
    throw new Error(
      `${name} holds something else: ${value.byteLength} bytes that begin ${value.toString('hex', 0, 32)}`,
    );
  }
  const body = value.subarray(headEnd);
  if (!isBlockContent(identityOf(name, version, body.byteLength), body)) {
    throw new Error(`version ${version} of ${name} has wrong bytes among its ${value.byteLength}`);
  }
  return version;
}
