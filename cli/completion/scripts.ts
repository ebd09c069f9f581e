/**
 * Scripts that teach bash, zsh and fish the words of a program. Everything they know stands in them, so that a press of
 * Tab starts no Node: it would take a quarter of a second every time.
 *
 * Each finds the command that the line names so far (the longest path of words that the program knows), completes the
 * value of an option that has choices, else the words and options of that command; where it knows none, shells go on to
 * complete file names.
 */
import type { CompletedCommand } from './command-tree.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** The script for `program`, a name that a shell takes as a command. */
export function completionScript(shell: Shell, program: string, commands: readonly CompletedCommand[]): string {
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  return write(program, commands);
}

/** A path as the scripts keep it: ` config set`, empty for the program. */
function pathText({ path }: CompletedCommand): string {
  return path.map((word) => ` ${word}`).join('');
}

/** Options that take a value, by the values that they may have: patterns of a case, and these values. */
function valued(commands: readonly CompletedCommand[]): { readonly pattern: string; readonly choices: string }[] {
  return commands.flatMap((command) => {
    const options = command.options.filter(({ takesValue }) => takesValue);
    const byChoices = Map.groupBy(options, ({ choices }) => choices.join(' '));
    return [...byChoices].map(([choices, group]) => {
      const flags = group.flatMap((option) => option.flags);
      return { pattern: flags.map((flag) => `'${pathText(command)} ${flag}'`).join('|'), choices };
    });
  });
}

function functionName(program: string): string {
  return `_${program.replaceAll(/[^a-z0-9]/g, '_')}`;
}

function bashScript(program: string, commands: readonly CompletedCommand[]): string {
  const name = functionName(program);
  const values = valued(commands).map(
    ({ pattern, choices }) => `    ${pattern}) COMPREPLY=($(compgen -W '${choices}' -- "$current")); return ;;`,
  );
  const words = commands.map((command) => {
    const all = [...command.words.map(({ word }) => word), ...command.options.flatMap(({ flags }) => flags)];
    return `    '${pathText(command)}') words='${all.join(' ')}' ;;`;
  });
  return `# Completion of ${program} for bash:  source <(${program} completion bash)
${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${pathPattern(commands)}
    esac
  done
  case "$path $previous" in
${values.join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F ${name} ${program}
`;
}

/** Arms of a case that go one word on along a path that the program knows. */
function pathPattern(commands: readonly CompletedCommand[]): string {
  const known = commands.filter(({ path }) => path.length > 0).map((command) => `'${pathText(command)}'`);
  return `      ${known.join('|')}) path="$path $word" ;;`;
}

function zshScript(program: string, commands: readonly CompletedCommand[]): string {
  const name = functionName(program);
  const described = (word: string, description: string): string =>
    description === '' ? `'${word}'` : `'${word}:${description}'`;
  const values = valued(commands).map(
    ({ pattern, choices }) => `    ${pattern}) ${choices === '' ? '_files' : `compadd -- ${choices}`}; return ;;`,
  );
  const words = commands.map((command) => {
    const options = command.options.flatMap(({ flags, description }) =>
      flags.map((flag) => described(flag, description)),
    );
    const own = command.words.map(({ word, description }) => described(word, description));
    return `    '${pathText(command)}') known=(${[...own, ...options].join(' ')}) ;;`;
  });
  return `#compdef ${program}
# Completion of ${program} for zsh:  source <(${program} completion zsh)
${name}() {
  local path_so_far='' word
  local -a known
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$path_so_far $word" in
${pathPattern(commands).replaceAll('$path', '$path_so_far').replace('path=', 'path_so_far=')}
    esac
  done
  case "$path_so_far \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  case "$path_so_far" in
${words.join('\n')}
  esac
  _describe '${program}' known || _files
}
compdef ${name} ${program}
`;
}

function fishScript(program: string, commands: readonly CompletedCommand[]): string {
  const name = `_${functionName(program)}_at`;
  const lines = commands.flatMap((command) => {
    const at = `-n "${name} '${pathText(command)}'"`;
    const words = command.words.map(
      ({ word, description }) => `complete -c ${program} ${at} -a ${word} -d '${description}'`,
    );
    const options = command.options.map(({ flags, description, takesValue, choices }) => {
      const written = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const value = takesValue ? ` -r${choices.length > 0 ? ` -f -a '${choices.join(' ')}'` : ''}` : '';
      return `complete -c ${program} ${at} ${written.join(' ')}${value} -d '${description}'`;
    });
    return [...words, ...options];
  });
  const known = commands.filter(({ path }) => path.length > 0).map((command) => `'${pathText(command)}'`);
  return `# Completion of ${program} for fish:  ${program} completion fish | source
function ${name}
  set -l path ''
  for word in (commandline -opc)[2..-1]
    if contains -- "$path $word" ${known.join(' ')}
      set path "$path $word"
    end
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}
