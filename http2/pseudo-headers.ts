/** What HTTP/2 demands of the pseudo-header fields of a message: RFC 9113, 8.3. Single fields are the decoder's business. */
import type { HeaderFields } from './header-fields.ts';

/** True for a request that is whole. */
export function isRequest(fields: HeaderFields): boolean {
  return fields[':method'] !== undefined && fields[':path'] !== undefined && fields[':scheme'] !== undefined;
}

/** Of a response: 1xx, which another one follows. */
export function isInformational(fields: HeaderFields): boolean {
  return fields[':status']?.startsWith('1') === true;
}
