/** What HTTP/2 demands of the fields of a message: RFC 9113, 8.2 and 8.3. */
import { type HeaderFields, isValidField } from './header-fields.ts';

/** True for a request that is whole and well formed. */
export function isRequest(fields: HeaderFields): boolean {
  if (fields[':method'] === undefined || fields[':path'] === undefined || fields[':scheme'] === undefined) return false;
  return areFieldsValid(fields);
}

/** Of a response: 1xx, which another one follows. */
export function isInformational(fields: HeaderFields): boolean {
  return fields[':status']?.startsWith('1') === true;
}

const checked = new WeakMap<HeaderFields, boolean>();

/** The fields of calls that look alike are one object (hpack-decoder.ts): those are looked at once. */
function areFieldsValid(fields: HeaderFields): boolean {
  const known = checked.get(fields);
  if (known !== undefined) return known;
  const isValid = Object.entries(fields).every(([name, value]) => isValidField(name, value));
  checked.set(fields, isValid);
  return isValid;
}
