/** Calls of generated clients as promises, for tests. */
import type { CallOptions, Client, ClientUnaryCall, Metadata, ServiceError } from '@grpc/grpc-js';

type Answer<Response> = (error: ServiceError | null, response: Response) => void;

/** A generated method, of which nothing but the form with the request alone is used. */
export interface UnaryMethod<Request, Response> {
  (request: Request, answer: Answer<Response>): ClientUnaryCall;
  (request: Request, metadata: Metadata, answer: Answer<Response>): ClientUnaryCall;
  (request: Request, metadata: Metadata, options: Partial<CallOptions>, answer: Answer<Response>): ClientUnaryCall;
}

export function callUnary<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
): Promise<Response> {
  const bound: UnaryMethod<Request, Response> = method.bind(client);
  return new Promise((resolve, reject) => {
    bound(request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}
