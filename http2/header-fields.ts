/** Header fields as records, and the rules of HTTP/2 for a field on its own (RFC 9113, 8.2.1). */

/**
 * Header fields by lower-case name; a name that came several times has its values joined with ', ' ('; ' for cookie).
 * Inherits no properties. Never changed once handed out: it may be kept, and several messages may share one.
 */
export type HeaderFields = Readonly<Record<string, string>>;

/** Names in lower case, pseudo-header fields first. An array stands for several fields of one name. */
export type OutgoingFields = Readonly<Record<string, string | readonly string[]>>;

/** A pseudo-header field's name begins with a colon. */
export function isPseudoName(name: string): boolean {
  return name.charCodeAt(0) === colon;
}

const colon = 0x3a;
const space = 0x20;
const tab = 0x09;

/** 1 for what a name may consist of: RFC 9110's token without upper case. */
const isNameCharacter = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  isNameCharacter[character.charCodeAt(0)] = 1;
}

const pseudoNames: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':status']);

/** What they say belongs to a connection of HTTP/1 (RFC 9113, 8.2.2). */
const connectionNames: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Whether a field may travel at all: a pseudo-header field's name or a token in lower case that is not HTTP/1's, and a
 * value of octets without NUL, CR and LF that neither begins nor ends with white space. Which pseudo-header fields a
 * message has is not asked here.
 */
export function isValidField(name: string, value: string): boolean {
  return isValidName(name) && isValidValue(value) && (name !== 'te' || value === 'trailers');
}

function isValidName(name: string): boolean {
  if (isPseudoName(name)) return pseudoNames.has(name);
  for (let index = 0; index < name.length; index++) {
    if (isNameCharacter[name.charCodeAt(index)] !== 1) return false;
  }
  return name.length > 0 && !connectionNames.has(name);
}

function isValidValue(value: string): boolean {
  const length = value.length;
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 0xff || code === 0 || code === 0x0a || code === 0x0d) return false;
  }
  return length === 0 || !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1)));
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}
