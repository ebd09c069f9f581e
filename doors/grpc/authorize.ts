/**
 * Credentials of gRPC calls: metadata `authorization`, looked at before a byte of a call's body is read.
 *
 * Health needs none, for kubelets and balancers ask it and have none to show. Reflection does, for it tells what there
 * is, and so does a method that is not there.
 */
import type { ServerCall } from '../../grpc/server-call.ts';
import { GrpcError, grpcStatus } from '../../grpc/status.ts';
import { type Authenticator, credentialOfHeader, refusalText } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import { codeTrailer } from './status-of-error.ts';

const openServices = ['/grpc.health.v1.Health/', '/kv.Health/'];

/** For GrpcServerOptions.authorize: answers who calls, throws UNAUTHENTICATED. */
export function authorizer(
  authenticator: Authenticator,
  refusals: Refusals | undefined,
): (call: ServerCall, certificate: string | undefined) => string | undefined {
  return (call, certificate) => {
    if (openServices.some((service) => call.path.startsWith(service))) return certificate;
    const admission = authenticator.check(credentialOfHeader(call.headers.authorization));
    if (admission.kind === 'admitted') return certificate ?? admission.identity;
    refusals?.add('grpc', admission.reason);
    throw new GrpcError(grpcStatus.UNAUTHENTICATED, refusalText, {
      [codeTrailer]: 'NOAUTH',
      'www-authenticate': authenticator.challenges.join(', '),
    });
  };
}
