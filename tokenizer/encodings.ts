/**
 * Text to tokens by the encodings of OpenAI's models, with the tables that gpt-tokenizer ships.
 *
 * A table takes a quarter of a second and tens of megabytes, so each is loaded when it is first asked for. What looks
 * like a special token in a text (`<|endoftext|>`) is text: prompts are what people write, not what they may command.
 */
export const encodingNames = ['cl100k_base', 'o200k_base'] as const;
export type EncodingName = (typeof encodingNames)[number];

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface TextEncoding {
  encode(text: string): number[];
  decode(tokens: readonly number[]): string;
  /** A conversation in the form that the encoding's models are given it, the opening of the answer included. */
  encodeChat(messages: readonly ChatMessage[]): number[];
}

/** The models by whose form a conversation is encoded. */
const chatModels = { cl100k_base: 'gpt-4', o200k_base: 'gpt-4o' } as const;

export async function loadEncoding(name: EncodingName): Promise<TextEncoding> {
  const encoding =
    name === 'cl100k_base'
      ? await import('gpt-tokenizer/encoding/cl100k_base')
      : await import('gpt-tokenizer/encoding/o200k_base');
  const nothingIsSpecial = { disallowedSpecial: new Set<string>() };
  return {
    encode: (text) => encoding.encode(text, nothingIsSpecial),
    decode: (tokens) => encoding.decode(tokens),
    encodeChat: (messages) => encoding.encodeChat([...messages], chatModels[name], nothingIsSpecial),
  };
}
