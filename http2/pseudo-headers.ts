/** What HTTP/2 demands of the pseudo-header fields of a message: RFC 9113, 8.3. Single fields are the decoder's business. */
import { type HeaderFields, isPseudoName } from './header-fields.ts';

/** True for a request that is whole. */
export function isRequest(fields: HeaderFields): boolean {
  if (fields[':method'] === undefined || fields[':scheme'] === undefined || fields[':status'] !== undefined)
    return false;
  return fields[':path'] !== undefined && fields[':path'] !== '';
}

/** Of a response: 1xx, which another one follows. */
export function isInformational(fields: HeaderFields): boolean {
  return fields[':status']?.startsWith('1') === true;
}

/** True for fields that may stand behind the data of a message. */
export function areTrailers(fields: HeaderFields): boolean {
  for (const name in fields) if (isPseudoName(name)) return false;
  return true;
}
