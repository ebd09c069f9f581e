/** What all services of the gRPC door do with a call: its context for commands, its request id, its log line. */
import {
  type Acknowledgement,
  acknowledgements,
  type Command,
  type CommandContext,
  type Executor,
  type Session,
} from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { ServerMethod } from '../../grpc/method.ts';
import type { GrpcServer } from '../../grpc/server.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import { grpcErrorOf, type UnaryHandler } from '../../grpc/server-unary.ts';
import { statusName } from '../../grpc/status.ts';
import { commandDeadlineDefaultMs, commandDeadlineMaxMs } from '../../limits.ts';
import type { ReceiveMemory } from '../../receive-memory.ts';
import type { DoorLog } from '../door.ts';
import { settle } from '../settle.ts';
import { grpcErrorOfReply, invalidArgument } from './status-of-error.ts';

const requestIdHeader = 'request-id';
/** Asks for a write to be answered only when it is that safe: `memory`, `disk` or `blob`. */
const acknowledgementHeader = 'kvcache-acknowledgement';

/** What a service is made of. */
export interface Serving {
  readonly server: GrpcServer;
  readonly executor: Executor;
  readonly log: DoorLog | undefined;
  /** For requests that are one large value; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
}

/** Serves a method: the client's request id comes back in the trailers, and a failed call is logged with it. */
export function serveUnary<Request, Response>(
  { server, log }: Serving,
  method: ServerMethod<Request, Response>,
  handler: UnaryHandler<Request, Response>,
): void {
  server.addUnary(method, (request, call) => {
    echoRequestId(call);
    if (!log) return handler(request, call);
    try {
      const response = handler(request, call);
      if (!(response instanceof Promise)) return response;
      return response.catch((error: unknown) => {
        logFailure(log, call, error);
        throw error;
      });
    } catch (error) {
      logFailure(log, call, error);
      throw error;
    }
  });
}

export function echoRequestId(call: ServerCall): void {
  const requestId = call.headers[requestIdHeader];
  if (typeof requestId === 'string') call.setTrailers({ [requestIdHeader]: requestId });
}

export function logFailure(log: DoorLog, call: ServerCall, error: unknown): void {
  const { code, details } = grpcErrorOf(error);
  const requestId = call.headers[requestIdHeader];
  log.debug({ method: call.path, peer: call.peer, requestId, status: statusName(code) }, details);
}

/** Does one command of the services whose faults are statuses: the reply, or a throw of what it is in gRPC. */
export function executeOrThrow({ executor }: Serving, command: Command, call: ServerCall): Reply | Promise<Reply> {
  return settle(executor.execute(command, contextOf(call)), (reply) => {
    if (reply instanceof ReplyError) throw grpcErrorOfReply(reply);
    return reply;
  });
}

/** For commands that are done at once or not worth stopping. */
export function contextOf(call: ServerCall): CommandContext {
  return { session: sessionOf(call), deadlineMs: deadlineOf(call), acknowledgement: acknowledgementOf(call) };
}

/** For commands that may wait or move large values: they are given up when nobody wants the answer any more. */
export function cancellableContextOf(call: ServerCall): CommandContext {
  return { ...contextOf(call), signal: call.signal };
}

function sessionOf(call: ServerCall): Session {
  const { peer, identity } = call;
  return { door: 'grpc', peer, tenant: '', ...(identity !== undefined && { identity }) };
}

function deadlineOf(call: ServerCall): number {
  const now = Date.now();
  if (call.deadlineMs === Infinity) return now + commandDeadlineDefaultMs;
  return Math.min(call.deadlineMs, now + commandDeadlineMaxMs);
}

function acknowledgementOf(call: ServerCall): Acknowledgement | undefined {
  const asked = call.headers[acknowledgementHeader];
  if (asked === undefined) return undefined;
  const known = acknowledgements.find((level) => level === asked);
  if (!known) {
    throw invalidArgument(`${acknowledgementHeader} is "${asked}"; it must be ${acknowledgements.join(', ')}`);
  }
  return known;
}
