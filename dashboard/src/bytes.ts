/** Bytes of keys and values: to and from what the API writes, and as a person reads them. */

export function bytesOfText(text: string, encoding: 'base64' | undefined): Uint8Array {
  if (encoding !== 'base64') return new TextEncoder().encode(text);
  return Uint8Array.from(atob(text), (character) => character.codePointAt(0)!);
}

/** A key in a path: every byte that is not a letter or a digit is encoded. */
export function pathOfKey(key: string, encoding: 'base64' | undefined): string {
  return [...bytesOfText(key, encoding)]
    .map((byte) => {
      const character = String.fromCodePoint(byte);
      return /[\w.-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

const columns = 16;

/** Offset, sixteen bytes, and their characters, a line each. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += columns) {
    const row = [...bytes.subarray(at, at + columns)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCodePoint(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  ${text}`);
  }
  return lines;
}
