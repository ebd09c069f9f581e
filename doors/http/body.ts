/**
 * Bodies of requests, bounded each and all together. A body counts as it arrives, not by the length that its header
 * claims: who claims much and sends nothing takes no room from others.
 */
import type { IncomingMessage } from 'node:http';
import type { ByteBudget } from '../../grpc/byte-budget.ts';
import { type Answer, json } from './answer.ts';

export type Received =
  /** The bytes stay counted until `release`. */
  | { readonly kind: 'body'; readonly bytes: Buffer; readonly release: () => void }
  | { readonly kind: 'refused'; readonly answer: Answer }
  /** The sender went away. */
  | { readonly kind: 'aborted' };

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

export async function receiveBody(request: IncomingMessage, bytesMax: number, budget: ByteBudget): Promise<Received> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return { kind: 'refused', answer: tooLarge(bytesMax) };
  const chunks: Buffer[] = [];
  let bytes = 0;
  const release = (): void => budget.release(bytes);
  try {
    // The request outlives a loop that ends early: its answer is still to be written.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const isTooLarge = bytes + chunk.byteLength > bytesMax;
      if (isTooLarge || !budget.reserve(chunk.byteLength)) {
        release();
        return { kind: 'refused', answer: isTooLarge ? tooLarge(bytesMax) : tooMuchInFlight };
      }
      bytes += chunk.byteLength;
      chunks.push(chunk);
    }
  } catch {
    // The connection broke or took too long: there is nobody to answer.
    release();
    return { kind: 'aborted' };
  }
  return { kind: 'body', bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes), release };
}

function tooLarge(bytesMax: number): Answer {
  return json(413, { error: `invalid request: the body has more than ${bytesMax} bytes`, code: 'TOOLARGE' });
}

export const tooMuchInFlight: Answer = json(
  503,
  { error: 'too many bytes in flight; nothing was done, try again', code: 'TRYAGAIN' },
  { 'retry-after': '1' },
);

/**
 * How deep arrays and objects lie in each other in a text of JSON, as far as `most` and one. Looked at before the text
 * is parsed: what is a thousand deep overflows the stack of whoever walks it later.
 */
export function jsonDepth(bytes: Buffer, most: number): number {
  let depth = 0;
  let deepest = 0;
  let isInText = false;
  for (let at = 0; at < bytes.byteLength; at++) {
    const byte = bytes[at]!;
    if (isInText) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) isInText = false;
    } else if (byte === 0x22) isInText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
      if (deepest > most) return deepest;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}
