/** `spec.security`: certificates and secrets. All are mounted as files, so that a rotation reaches running pods. */
import { z } from 'zod';
import { field, group, objectName } from './field.ts';
import { secretKey, secretKeyOr } from './pod-fields.ts';

const tls = field(
  z.object({
    secretName: field(
      objectName(),
      'A Secret with tls.crt and tls.key (type kubernetes.io/tls), for the routers’ and shards’ doors.',
    ),
    clientCA: field(
      secretKeyOr('ca.crt'),
      'The authority that signs client certificates. Without it clients are not asked for one.',
    ).optional(),
    clientCertificates: field(
      z.enum(['Optional', 'Required']).default('Required'),
      'Whether a client without a certificate is refused. Only with clientCA.',
    ),
  }),
  'TLS on the doors of routers and shards.',
);

export const security = group(
  z.object({
    tls: tls.optional(),
    auth: field(
      z.object({
        secretKeyRef: field(secretKey, 'The key of a Secret that holds the password.'),
      }),
      'A password, or bearer token, that clients must give.',
    ).optional(),
    link: field(
      z.object({
        secretKeyRef: field(secretKey, 'The key of a Secret that holds the shared secret.'),
      }),
      'The shared secret of the internal port. Without it the operator makes one, in a Secret NAME-link.',
    ).optional(),
  }),
  'Certificates and secrets.',
);
