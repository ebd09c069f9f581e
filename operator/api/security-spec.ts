/**
 * `spec.security`: certificates, passwords, tokens and the secret of the internal port.
 *
 * All are files in the pods, never environment variables: a process follows its files, so that a rotation reaches it
 * without a restart.
 */
import { z } from 'zod';
import { field, group, objectName, text } from './field.ts';
import { secretKeyOr } from './pod-fields.ts';

const clientAuthentication = z.enum(['Optional', 'Required']).default('Required');

const tls = field(
  z.object({
    secretName: field(
      objectName(),
      'A Secret with tls.crt and tls.key (type kubernetes.io/tls). The certificate should name the Service that clients use, and NAME-shards with a wildcard before it where clients talk to shards directly.',
    ),
    clientCA: field(
      secretKeyOr('ca.crt'),
      'The authority that signs certificates of clients. Without it clients are not asked for one.',
    ).optional(),
    clientAuthentication: field(
      clientAuthentication,
      'Whether a client without a certificate is refused. Only with clientCA.',
    ),
  }),
  'TLS on all public doors of routers and shards: gRPC, HTTP, RESP and TCP.',
);

const auth = field(
  z.object({
    token: field(
      secretKeyOr('token'),
      'Tokens that are accepted (`authorization: Bearer`, or AUTH), one a line: two of them while one takes the other’s place.',
    ).optional(),
    password: field(
      secretKeyOr('password'),
      'Passwords that are accepted (`authorization: Basic` or AUTH, with any user name), one a line.',
    ).optional(),
  }),
  'What calls of gRPC and HTTP must carry, and what clients of RESP and TCP show by AUTH. Either is enough where both are given.',
  {
    rules: [
      {
        rule: 'has(self.token) || has(self.password)',
        message: 'spec.security.auth must have token, password or both; leave auth out to ask for nothing',
      },
    ],
  },
);

const link = group(
  z.object({
    secret: field(
      secretKeyOr('secret'),
      'Secrets that shards, routers and the operator show each other, one a line: all are accepted, the first is shown. Without it the operator makes one, in a Secret NAME-link.',
    ).optional(),
    tls: field(
      z.object({
        secretName: field(
          objectName(),
          'A Secret with tls.crt and tls.key for shards and routers, as servers and as clients.',
        ),
        ca: field(secretKeyOr('ca.crt'), 'The authority that signs these certificates.'),
        serverName: field(
          text(253).regex(/^[a-z0-9*]([-a-z0-9.]*[a-z0-9])?$/),
          'The name that certificates must have, in place of the pod’s host name.',
        ).optional(),
        clientAuthentication: field(clientAuthentication, 'Whether the other end must show a certificate.'),
      }),
      'TLS on the internal port.',
    ).optional(),
  }),
  'The internal port, on which shards, routers and the operator reach each other.',
);

export const security = group(
  z.object({ tls: tls.optional(), auth: auth.optional(), link }),
  'Certificates and secrets.',
);

export type SecuritySpec = z.output<typeof security>;
