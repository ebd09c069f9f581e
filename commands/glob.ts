/**
 * Redis' glob patterns: `*`, `?`, `[abc]`, `[^a-z]` and `\` before what is meant as it stands.
 *
 * A pattern is made into tokens once and matched against many keys. At a mismatch the text goes on from behind the last
 * star, one character further: earlier stars need not be tried again, so that no pattern takes longer than pattern times
 * text. Redis' own matcher tries all of them, which a hostile pattern makes exponential.
 *
 * The odd cases are Redis' (util.c, stringmatchlen): a class that is never closed ends with the pattern, a backslash at
 * the end is itself, ends of a range may be swapped and are signed bytes, and `**` does not match the empty key while
 * `*` does.
 */

type Token =
  | { readonly kind: 'star' }
  | { readonly kind: 'any' }
  | { readonly kind: 'one'; readonly code: number }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] };

export interface Glob {
  /** What every match begins with: all of the match if the pattern has nothing special. */
  readonly prefix: string;
  readonly isLiteral: boolean;
  matches(name: string): boolean;
}

/** Pattern and names are bytes as latin1 text. */
export function compileGlob(pattern: string): Glob {
  const tokens = tokensOf(pattern);
  const special = tokens.findIndex(({ kind }) => kind !== 'one');
  const literal = special < 0 ? tokens : tokens.slice(0, special);
  const prefix = literal.map((token) => String.fromCharCode((token as { code: number }).code)).join('');
  if (pattern === '*') return { prefix, isLiteral: false, matches: () => true };
  if (special < 0) return { prefix, isLiteral: true, matches: (name) => name === prefix };
  return { prefix, isLiteral: false, matches: (name) => name !== '' && matches(tokens, name) };
}

function matches(tokens: readonly Token[], name: string): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < name.length) {
    const current = tokens[token];
    if (current?.kind === 'star') {
      star = token++;
      resumeAt = at;
    } else if (current !== undefined && fits(current, name.charCodeAt(at))) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (tokens[token]?.kind === 'star') token++;
  return token === tokens.length;
}

function fits(token: Token, code: number): boolean {
  if (token.kind === 'one') return token.code === code;
  if (token.kind !== 'class') return true;
  const byte = signed(code);
  return token.ranges.some(([low, high]) => byte >= low && byte <= high) !== token.isNegated;
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!;
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (character === '?') {
      tokens.push({ kind: 'any' });
    } else if (character === '[') {
      const { token, end } = classAt(pattern, at + 1);
      tokens.push(token);
      at = end;
    } else {
      if (character === '\\' && at + 1 < pattern.length) at += 1;
      tokens.push({ kind: 'one', code: pattern.charCodeAt(at) });
    }
  }
  return tokens;
}

/** The class that begins behind its bracket, and where it ends. */
function classAt(pattern: string, from: number): { token: Token; end: number } {
  let at = from;
  const isNegated = pattern[at] === '^';
  if (isNegated) at += 1;
  const ranges: (readonly [number, number])[] = [];
  for (; at < pattern.length && pattern[at] !== ']'; at++) {
    if (pattern[at] === '\\' && at + 1 < pattern.length) {
      at += 1;
    } else if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      const ends = [signed(pattern.charCodeAt(at)), signed(pattern.charCodeAt(at + 2))].sort((a, b) => a - b);
      ranges.push([ends[0]!, ends[1]!]);
      at += 2;
      continue;
    }
    const byte = signed(pattern.charCodeAt(at));
    ranges.push([byte, byte]);
  }
  return { token: { kind: 'class', isNegated, ranges }, end: Math.min(at, pattern.length - 1) };
}

function signed(code: number): number {
  return code < 128 ? code : code - 256;
}
