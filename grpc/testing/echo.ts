/** A service for the tests of both sides: messages are their bytes. */
import { makeGenericClientConstructor, type ServiceClientConstructor } from '@grpc/grpc-js';
import type {
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  CallOptions,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';

export interface EchoMessage {
  body: Buffer;
}

const serialize = (message: EchoMessage): Buffer => message.body;
const deserialize = (body: Buffer): EchoMessage => ({ body: Buffer.from(body) });
const codec = {
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
};

export const echoService = {
  unary: { path: '/test.Echo/Unary', requestStream: false, responseStream: false, ...codec },
  collect: { path: '/test.Echo/Collect', requestStream: true, responseStream: false, ...codec },
  expand: { path: '/test.Echo/Expand', requestStream: false, responseStream: true, ...codec },
  both: { path: '/test.Echo/Both', requestStream: true, responseStream: true, ...codec },
} as const;

type Answer = (error: ServiceError | null, answer?: EchoMessage) => void;

export interface EchoClient extends Client {
  unary(request: EchoMessage, metadata: Metadata, options: Partial<CallOptions>, answer: Answer): ClientUnaryCall;
  collect(answer: Answer): ClientWritableStream<EchoMessage>;
  expand(request: EchoMessage): ClientReadableStream<EchoMessage>;
  both(): ClientDuplexStream<EchoMessage, EchoMessage>;
}

export const EchoClient = makeGenericClientConstructor(echoService, 'test.Echo') as unknown as {
  new (...parameters: ConstructorParameters<ServiceClientConstructor>): EchoClient;
};
