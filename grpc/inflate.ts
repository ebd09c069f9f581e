/** Messages that came compressed: gzip and deflate, inflated to at most what a message may have. */
import { gunzip, inflate } from 'node:zlib';
import { messageOf } from '../errors.ts';
import { grpcInflateRatioMax } from '../limits.ts';
import type { ByteBudget } from './byte-budget.ts';
import { GrpcError, grpcStatus } from './status.ts';

const inflaters = { gzip: gunzip, deflate: inflate } as const;
export type MessageEncoding = keyof typeof inflaters;

export const acceptedEncodings = 'identity,gzip,deflate';

export function isMessageEncoding(name: string): name is MessageEncoding {
  return Object.hasOwn(inflaters, name);
}

/**
 * The message inside; the budget holds `message.byteLength` bytes for it afterwards. Rejects with GrpcError, and the
 * budget then holds nothing. The most that so few bytes can become is reserved first, so that many small bombs
 * together stay within the budget too.
 */
export async function inflated(
  compressed: Buffer,
  encoding: MessageEncoding,
  messageBytesMax: number,
  budget: ByteBudget,
): Promise<Buffer> {
  const bytesMax = Math.min(messageBytesMax, Math.max(1024, compressed.byteLength * grpcInflateRatioMax));
  if (!budget.reserve(bytesMax)) throw budget.refusal();
  try {
    const message = await new Promise<Buffer>((resolve, reject) => {
      inflaters[encoding](compressed, { maxOutputLength: bytesMax }, (error, result) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
    budget.release(bytesMax - message.byteLength);
    return message;
  } catch (error) {
    budget.release(bytesMax);
    if (error instanceof RangeError) {
      const text = `Received message that decompresses to a size larger than ${bytesMax}`;
      throw new GrpcError(grpcStatus.RESOURCE_EXHAUSTED, text);
    }
    throw new GrpcError(grpcStatus.INTERNAL, `Failed to decompress message: ${messageOf(error)}`);
  }
}
