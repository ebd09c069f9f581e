/**
 * What `kvcache tokenize` reads, and what it makes of it: prompts with their tokens, in the playground's file form.
 *
 *   text    a file is one prompt
 *   lines   every line is one
 *   chat    JSON, or a line of JSON each: [{"role","content"}…] or {"messages":[…]}, or an array of those
 */
import { KvcacheError, messageOf } from '../../errors.ts';
import type { ChatMessage, TextEncoding } from '../../tokenizer/encodings.ts';

export const inputForms = ['text', 'lines', 'chat'] as const;
export type InputForm = (typeof inputForms)[number];

/** As the playground reads it: cli/playground/tokens-file.ts. */
export interface WrittenPrompt {
  readonly text: string;
  readonly tokens: number[];
  readonly token_count: number;
}

/** By its name where nobody says it. */
export function formOf(path: string): InputForm {
  return /\.jsonl?$/.test(path) ? 'chat' : 'text';
}

/** The prompts of one file. Throws CONFIG with one line that says what is wrong, opened by `name`. */
export function promptsOf(content: string, form: InputForm, encoding: TextEncoding, name: string): WrittenPrompt[] {
  if (form === 'chat') return conversationsOf(content, name).map((messages) => chatPrompt(messages, encoding));
  const texts = form === 'lines' ? content.split(/\r?\n/).filter((line) => line !== '') : [content];
  return texts.map((text) => promptOf(text, encoding.encode(text)));
}

function promptOf(text: string, tokens: number[]): WrittenPrompt {
  return { text, tokens, token_count: tokens.length };
}

/** The text is what the tokens say, the marks between the messages included. */
function chatPrompt(messages: readonly ChatMessage[], encoding: TextEncoding): WrittenPrompt {
  const tokens = encoding.encodeChat(messages);
  return promptOf(encoding.decode(tokens), tokens);
}

function conversationsOf(content: string, name: string): ChatMessage[][] {
  const whole = parsed(content);
  const documents = whole.length === 1 && isListOfConversations(whole[0]) ? (whole[0] as unknown[]) : whole;
  return documents.map((document, place) => {
    const messages = isRecord(document) ? document['messages'] : document;
    const where = documents.length === 1 ? name : `${name}: conversation ${place}`;
    if (!Array.isArray(messages) || messages.length === 0) {
      throw new KvcacheError('CONFIG', `${where} is no conversation; expected [{"role":"user","content":"…"}]`);
    }
    return messages.map((message, index) => messageOfChat(message, `${where}: message ${index}`));
  });

  /** One document, or one a line. */
  function parsed(text: string): unknown[] {
    try {
      return [JSON.parse(text)];
    } catch (error) {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      if (lines.length < 2) throw new KvcacheError('CONFIG', `${name} is no JSON: ${messageOf(error)}`);
      return lines.map((line, index) => {
        try {
          return JSON.parse(line) as unknown;
        } catch (cause) {
          throw new KvcacheError('CONFIG', `${name}: line ${index + 1} is no JSON: ${messageOf(cause)}`);
        }
      });
    }
  }
}

function isListOfConversations(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return value.length > 0 && value.every((item) => Array.isArray(item) || (isRecord(item) && 'messages' in item));
}

function messageOfChat(value: unknown, where: string): ChatMessage {
  const { role, content } = isRecord(value) ? value : {};
  if (role !== 'system' && role !== 'user' && role !== 'assistant') {
    throw new KvcacheError('CONFIG', `${where}: role must be system, user or assistant`);
  }
  if (typeof content !== 'string') throw new KvcacheError('CONFIG', `${where}: content must be a string`);
  return { role, content };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
