/**
 * Unary calls by real clients, grpc-js's and ours, from this very process: what a client makes of a server, where
 * h2-load.ts tells what the server can do.
 */
import { Client, credentials } from '@grpc/grpc-js';
import { GrpcChannel } from '../../grpc/client.ts';
import { bytesOf } from '../../byte-parts.ts';
import type { MessageParts } from '../../grpc/method.ts';
import { quantile } from '../harness/statistics.ts';

export const clientNames = ['grpc-js', 'ours'] as const;
export type ClientName = (typeof clientNames)[number];

export interface UnaryMessage {
  readonly path: string;
  readonly message: MessageParts;
}

export interface Load {
  call(what: UnaryMessage): Promise<number>;
  close(): void;
}

export interface LoadResult {
  readonly calls: number;
  readonly perSecond: number;
  readonly p99Ms: number;
}

export const loads: Readonly<Record<ClientName, (port: number) => Load>> = {
  'grpc-js': grpcJsLoad,
  ours: ownLoad,
};

function ownLoad(port: number): Load {
  const channel = new GrpcChannel(`127.0.0.1:${port}`);
  return {
    call: ({ path, message }) =>
      channel.unary({ path, requestSerialize: () => message, responseDeserialize: lengthOf }, undefined),
    close: () => channel.close(),
  };
}

function grpcJsLoad(port: number): Load {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc-node.flow_control_window': 8 * 1024 * 1024,
  });
  return {
    call: ({ path, message }) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, joinedOf, lengthOf, message, (error, length) =>
          error ? reject(error) : resolve(length ?? 0),
        );
      }),
    close: () => client.close(),
  };
}

function lengthOf(bytes: Buffer): number {
  return bytes.byteLength;
}

function joinedOf(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts, bytesOf(parts));
}

/** Keeps `inFlight` calls under way; what begins in the first fifth of the time is not counted. */
export async function runLoad(
  load: Load,
  what: UnaryMessage,
  { inFlight, measuredMs }: { readonly inFlight: number; readonly measuredMs: number },
): Promise<LoadResult> {
  let calls = 0;
  const startedMs = performance.now();
  const beginMs = startedMs + measuredMs / 5;
  const endMs = beginMs + measuredMs;
  const latenciesMs: number[] = [];
  const worker = async (): Promise<void> => {
    for (let now = performance.now(); now < endMs;) {
      await load.call(what);
      calls++;
      const after = performance.now();
      if (after >= beginMs && after < endMs) latenciesMs.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  latenciesMs.sort((a, b) => a - b);
  return { calls, perSecond: (latenciesMs.length * 1_000) / measuredMs, p99Ms: quantile(latenciesMs, 0.99) };
}
