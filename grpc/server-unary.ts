/** One message in, one message out: the path that nearly every call takes, so nothing here is general. */
import type { CallListener } from './call-transport.ts';
import type { ServerMethod } from './method.ts';
import type { ServerCall } from './server-call.ts';
import { GrpcError, grpcStatus } from './status.ts';

/** Throws, or rejects with, GrpcError for any status but OK; anything else becomes UNKNOWN with its message. */
export type UnaryHandler<Request, Response> = (request: Request, call: ServerCall) => Response | Promise<Response>;

export class UnaryServing<Request, Response> implements CallListener {
  readonly #method: ServerMethod<Request, Response>;
  readonly #handler: UnaryHandler<Request, Response>;
  readonly #call: ServerCall;
  #message: Buffer | undefined;
  #reservedBytes = 0;

  constructor(method: ServerMethod<Request, Response>, handler: UnaryHandler<Request, Response>, call: ServerCall) {
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
  }

  message(message: Buffer, reservedBytes: number): void {
    if (this.#message) {
      this.#call.release(reservedBytes);
      this.#call.fail(secondMessage(this.#method.path));
      return;
    }
    this.#message = message;
    this.#reservedBytes = reservedBytes;
  }

  remoteEnd(): void {
    const message = this.#message;
    if (!message) {
      this.#call.fail(noMessage(this.#method.path));
      return;
    }
    let request: Request;
    try {
      request = this.#method.requestDeserialize(message);
    } catch {
      this.#call.fail(new GrpcError(grpcStatus.INTERNAL, 'Error deserializing request'));
      return;
    }
    this.#handle(request);
  }

  drain(): void {
    // A single answer is handed over whole.
  }

  ended(): void {
    this.#message = undefined;
    this.#call.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  #handle(request: Request): void {
    try {
      const response = this.#handler(request, this.#call);
      if (response instanceof Promise) {
        response.then(
          (value) => this.#answer(value),
          (error: unknown) => this.#call.fail(grpcErrorOf(error)),
        );
      } else {
        this.#answer(response);
      }
    } catch (error) {
      this.#call.fail(grpcErrorOf(error));
    }
  }

  #answer(response: Response): void {
    if (this.#call.ended) return;
    let parts;
    try {
      parts = this.#method.responseSerialize(response);
    } catch {
      this.#call.fail(new GrpcError(grpcStatus.INTERNAL, 'Error serializing response'));
      return;
    }
    this.#call.answer(parts);
  }
}

export function noMessage(path: string): GrpcError {
  return new GrpcError(grpcStatus.UNIMPLEMENTED, `Received no request message for unary method ${path}`);
}

export function secondMessage(path: string): GrpcError {
  return new GrpcError(grpcStatus.UNIMPLEMENTED, `Received a second request message for unary method ${path}`);
}

/** What a handler threw, as the status it becomes. Objects with a numeric `code` count too: grpc-js's own errors. */
export function grpcErrorOf(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  if (typeof error !== 'object' || error === null) return new GrpcError(grpcStatus.UNKNOWN, 'Unknown Error');
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : 'Unknown Error';
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 0 || code > 16) {
    return new GrpcError(grpcStatus.UNKNOWN, text);
  }
  return new GrpcError(code as GrpcError['code'], typeof details === 'string' ? details : text);
}
