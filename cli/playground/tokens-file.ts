/**
 * The playground's input: `{"prompts":[{"text": string, "tokens": [integer…], "token_count": integer}]}`, as
 * precompute scripts for kvstore.KVStoreService write it.
 *
 * A file of another form is refused with the field and the prompt's index, because "cannot read property of
 * undefined" helps nobody. Checked by hand rather than by a schema library: a file holds millions of tokens, and one
 * pass both checks them and packs them.
 */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { tokensOf } from '../../client/tokens.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { playgroundFileBytesMax } from '../../limits.ts';

export interface TokenizedPrompt {
  readonly text: string;
  readonly tokens: BigInt64Array;
}

const form = 'expected {"prompts":[{"text":"…","tokens":[1,2,…],"token_count":2}]}';

/** Reads FILE, or `input` where it is `-`. Throws KvcacheError CONFIG with one line that says what is wrong. */
export async function readTokensFile(path: string, input: Readable): Promise<TokenizedPrompt[]> {
  const name = path === '-' ? 'standard input' : path;
  return parseTokensFile(await textOf(path, name, input), name);
}

/** The prompts of a file's text; `name` opens the message of a fault. */
export function parseTokensFile(text: string, name: string): TokenizedPrompt[] {
  const fail = (fault: string): never => {
    throw new KvcacheError('CONFIG', `${name}: ${fault}`);
  };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return fail(`not JSON (${messageOf(error)}); ${form}`);
  }
  const prompts = isRecord(document) ? document['prompts'] : undefined;
  if (!Array.isArray(prompts)) return fail(`field 'prompts' is ${insteadOf('an array', prompts)}; ${form}`);
  if (prompts.length === 0) return fail(`field 'prompts' is empty; ${form}`);
  return prompts.map((prompt: unknown, index) => promptOf(prompt, `prompts[${index}]`, fail));
}

function promptOf(prompt: unknown, place: string, fail: (fault: string) => never): TokenizedPrompt {
  if (!isRecord(prompt)) return fail(`field '${place}' is ${insteadOf('an object', prompt)}; ${form}`);
  const { text, tokens, token_count: tokenCount } = prompt;
  if (typeof text !== 'string') return fail(`field '${place}.text' is ${insteadOf('a string', text)}; ${form}`);
  if (!Array.isArray(tokens)) return fail(`field '${place}.tokens' is ${insteadOf('an array', tokens)}; ${form}`);
  const wrong = tokens.findIndex((token) => !Number.isSafeInteger(token));
  if (wrong >= 0) return fail(`field '${place}.tokens[${wrong}]' is ${insteadOf('a whole number', tokens[wrong])}`);
  if (tokenCount !== tokens.length) {
    const count = typeof tokenCount === 'number' ? String(tokenCount) : kindOf(tokenCount);
    return fail(`field '${place}.token_count' is ${count}, but '${place}.tokens' has ${tokens.length}`);
  }
  return { text, tokens: tokensOf(tokens as number[]) };
}

async function textOf(path: string, name: string, input: Readable): Promise<string> {
  if (path === '-') return boundedText(input, name);
  try {
    const file = await open(path);
    // The stream closes the file.
    return await boundedText(file.createReadStream(), name);
  } catch (error) {
    if (error instanceof KvcacheError) throw error;
    throw new KvcacheError('CONFIG', `${name}: cannot be read (${messageOf(error)})`, { cause: error });
  }
}

async function boundedText(input: Readable, name: string): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of input) {
    const buffer = Buffer.from(part as Buffer | string);
    bytes += buffer.byteLength;
    if (bytes > playgroundFileBytesMax) {
      throw new KvcacheError('CONFIG', `${name}: larger than ${playgroundFileBytesMax} bytes`);
    }
    parts.push(buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `the number 7, not an array`; what is missing is just missing. */
function insteadOf(wanted: string, value: unknown): string {
  return value === undefined ? 'missing' : `${kindOf(value)}, not ${wanted}`;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return `the ${typeof value} ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
