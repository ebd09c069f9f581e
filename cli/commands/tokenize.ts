/** `kvcache tokenize`: texts and conversations as a tokens file, for the playground and the dashboard's block explorer. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { replaceFile } from '../../durable-file.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { playgroundFileBytesMax } from '../../limits.ts';
import { type EncodingName, encodingNames, loadEncoding } from '../../tokenizer/encodings.ts';
import { readStream } from '../read-stream.ts';
import type { Terminal } from '../terminal.ts';
import { formOf, type InputForm, inputForms, promptsOf, type WrittenPrompt } from '../tokenize/prompts.ts';

interface TokenizeOptions {
  readonly encoding: EncodingName;
  readonly as?: InputForm;
  readonly output?: string;
}

export function addTokenize(program: Command, terminal: Terminal): void {
  program
    .command('tokenize')
    .summary('turn texts or conversations into a tokens file')
    .description(
      'Reads texts or conversations and prints them with their tokens in the form that the playground reads: ' +
        '{"prompts":[{"text","tokens","token_count"}]}. Needs no cluster.',
    )
    .argument('[file...]', 'files, or - for standard input', ['-'])
    .addOption(
      new Option('-e, --encoding <name>', 'the encoding of the model').choices(encodingNames).default('cl100k_base'),
    )
    .addOption(
      new Option(
        '--as <form>',
        'what a file is: one prompt, a prompt a line, or conversations as JSON (so are .json and .jsonl)',
      ).choices(inputForms),
    )
    .option('-o, --output <file>', 'write there instead of to standard output')
    .addHelpText(
      'after',
      `
Examples:
  kvcache tokenize prompt.txt                              one prompt
  kvcache tokenize --as lines < prompts.txt -o tokens.json
  kvcache tokenize chat.json --encoding o200k_base         [{"role":"user","content":"…"}] or {"messages":[…]}
  kvcache tokenize prompts/*.txt -o tokens.json && kvcache playground tokens.json`,
    )
    .action((files: string[], options: TokenizeOptions) => tokenize(files, options, terminal));
}

async function tokenize(files: readonly string[], options: TokenizeOptions, terminal: Terminal): Promise<void> {
  const encoding = await loadEncoding(options.encoding);
  const prompts: WrittenPrompt[] = [];
  for (const file of files) {
    const name = file === '-' ? 'standard input' : file;
    prompts.push(...promptsOf(await contentOf(file), options.as ?? formOf(file), encoding, name));
  }
  const text = JSON.stringify({ prompts });
  if (options.output === undefined) {
    terminal.line(text);
    return;
  }
  await replaceFile(options.output, `${text}\n`);
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.token_count, 0);
  terminal.warn(`${prompts.length} prompts, ${tokens} tokens`);
}

async function contentOf(file: string): Promise<string> {
  if (file === '-') return (await readStream(process.stdin, playgroundFileBytesMax)).toString('utf8');
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new KvcacheError('CONFIG', `${file}: cannot be read (${messageOf(error)})`, { cause: error });
  }
}
