/** What a shell can complete: the commands of a program with their options, as plain data. */
import type { Command, Option } from 'commander';

export interface CompletedOption {
  /** `--json`, `-o`: every way to write it. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** The values that it may have, where these are few. */
  readonly choices: readonly string[];
}

export interface CompletedCommand {
  /** Words behind the program's name, empty for the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** Names of its commands, and the values that its first argument may have. */
  readonly words: readonly { readonly word: string; readonly description: string }[];
}

/** The program and all its commands, each before its own. */
export function commandTree(program: Command, path: readonly string[] = []): CompletedCommand[] {
  const help = program.createHelp();
  const commands = help.visibleCommands(program);
  const choices = program.registeredArguments[0]?.argChoices ?? [];
  const here: CompletedCommand = {
    path,
    description: firstSentence(program.summary() || program.description()),
    options: help.visibleOptions(program).map(completedOption),
    words: [
      ...commands.flatMap((command) => {
        const description = firstSentence(command.summary() || command.description());
        return namesOf(command).map((word) => ({ word, description }));
      }),
      ...choices.map((word) => ({ word, description: '' })),
    ],
  };
  const below = commands.flatMap((command) =>
    namesOf(command).flatMap((name) => commandTree(command, [...path, name])),
  );
  return [here, ...below];
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()];
}

function completedOption({ long, short, description, required, optional, argChoices }: Option): CompletedOption {
  return {
    flags: [long, short].filter((flag) => flag !== undefined && flag !== null),
    description: firstSentence(description),
    takesValue: required || optional,
    choices: argChoices ?? [],
  };
}

/** One line, without what would mean something to a shell. */
function firstSentence(text: string): string {
  const [sentence = ''] = text.split(/\.\s|\n/);
  return sentence.replace(/\.$/, '').replaceAll(/['"`$\\[\]:]/g, '');
}
