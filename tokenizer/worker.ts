/** The thread of tokenizer.ts: one message in, one out. */
import { parentPort } from 'node:worker_threads';
import { blockTokens } from '../limits.ts';
import { type EncodingName, loadEncoding } from './encodings.ts';
import type { Tokenized } from './tokenizer.ts';

const port = parentPort!;

port.on('message', ({ text, encoding }: { text: string; encoding: EncodingName }) => {
  void tokenized(text, encoding).then((answer) => port.postMessage(answer));
});

async function tokenized(text: string, name: EncodingName): Promise<Tokenized> {
  const encoding = await loadEncoding(name);
  const tokens = encoding.encode(text);
  const texts: string[] = [];
  for (let at = 0; at < tokens.length; at += blockTokens)
    texts.push(encoding.decode(tokens.slice(at, at + blockTokens)));
  return { tokens, texts };
}
