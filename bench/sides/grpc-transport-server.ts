/**
 * The two gRPC servers that bench/scenarios/grpc-transport.ts compares, behind one interface and with the same four methods,
 * codecs and stored values. Runs as a process of its own: `node bench/sides/grpc-transport-server.ts NAME`.
 */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { decodeWrite, encodeRead } from '../../doors/grpc/block-codec.ts';
import { decodeKey, decodeSet, encodeGet } from '../../doors/grpc/kv-codec.ts';
import type { MessageParts } from '../../grpc/method.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { KeyValueServiceService, SetResponse } from '../../protos/generated/kv.ts';
import { KVStoreServiceService, PromptChunk, ReadRequest, WriteResponse } from '../../protos/generated/kvstore.ts';

export const transportNames = ['grpc-js', 'ours'] as const;
export type TransportName = (typeof transportNames)[number];

/** A unary method with what it answers: of a router, all that lies between socket and executor. */
interface Handled<Request, Response> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => MessageParts;
  readonly handle: (request: Request) => Response;
}

/** What is compared: a server for unary methods. */
interface Transport {
  add<Request, Response>(method: Handled<Request, Response>): void;
  /** Resolves with the port. */
  listen(): Promise<number>;
}

class OwnTransport implements Transport {
  readonly #server = new GrpcServer();

  add<Request, Response>(method: Handled<Request, Response>): void {
    this.#server.addUnary(method, method.handle);
  }

  listen(): Promise<number> {
    return this.#server.listen('127.0.0.1', 0);
  }
}

class GrpcJsTransport implements Transport {
  readonly #server = new Server({
    'grpc.max_receive_message_length': 100_000_000,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': 8 * 1024 * 1024,
  });

  add<Request, Response>(method: Handled<Request, Response>): void {
    const definition = {
      path: method.path,
      requestStream: false,
      responseStream: false,
      requestSerialize: unused,
      requestDeserialize: method.requestDeserialize,
      responseSerialize: (response: Response) => joined(method.responseSerialize(response)),
      responseDeserialize: unused,
    };
    const handler = (call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>): void =>
      answer(null, method.handle(call.request));
    this.#server.addService({ method: definition }, { method: handler });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }
}

function unused(): never {
  throw new Error('a server does not use this');
}

function joined(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array
    ? Buffer.from(parts.buffer, parts.byteOffset, parts.byteLength)
    : Buffer.concat(parts);
}

const transports: Readonly<Record<TransportName, () => Transport>> = {
  'grpc-js': () => new GrpcJsTransport(),
  ours: () => new OwnTransport(),
};

function addMethods(transport: Transport): void {
  const values = new Map<string, Buffer>();
  const done = { success: true, error: '' };
  const metrics = { storageLatencyUs: 1n, totalLatencyUs: 20n, overheadUs: 19n };
  const body = Buffer.alloc(1_200_000, 'kv');
  const tokens = Array.from({ length: 128 }, (_, index) => BigInt(index));
  const chunk = { hash: 1n, partitionKey: 'p', parentHash: 2n, buffer: Buffer.alloc(0), tokens, completionId: '' };
  const block = { meta: Buffer.from(PromptChunk.encode(chunk).finish()), body };
  transport.add({
    path: KeyValueServiceService.set.path,
    requestDeserialize: decodeSet,
    responseSerialize: (response: SetResponse) => SetResponse.encode(response).finish(),
    handle: ({ key, value }) => {
      values.set(key.toString('latin1'), Buffer.from(value));
      return done;
    },
  });
  transport.add({
    path: KeyValueServiceService.get.path,
    requestDeserialize: decodeKey,
    responseSerialize: encodeGet,
    handle: (key) => ({ value: values.get(key.toString('latin1')), error: '' }),
  });
  transport.add({
    path: KVStoreServiceService.write.path,
    requestDeserialize: decodeWrite,
    responseSerialize: (response: WriteResponse) => WriteResponse.encode(response).finish(),
    handle: () => ({ ...done, serverMetrics: metrics }),
  });
  transport.add({
    path: KVStoreServiceService.read.path,
    requestDeserialize: (bytes) => ReadRequest.decode(bytes),
    responseSerialize: encodeRead,
    handle: () => ({ block, metrics }),
  });
}

if (import.meta.main) {
  const name = process.argv[2] as TransportName;
  const transport = transports[name]();
  addMethods(transport);
  process.send?.(await transport.listen());
  process.on('disconnect', () => process.exit(0));
}
