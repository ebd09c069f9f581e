/** `kvcache completion <shell>`. */
import { Argument, type Command } from 'commander';
import { commandTree } from '../completion/command-tree.ts';
import { completionScript, type Shell, shells } from '../completion/scripts.ts';
import type { Terminal } from '../terminal.ts';

/** To be added last: it completes what the program has by then, and itself. */
export function addCompletion(program: Command, terminal: Terminal): void {
  program
    .command('completion')
    .summary('print a script that lets a shell complete commands and options')
    .description('Prints a script for bash, zsh or fish that completes the commands and options of kvcache.')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText(
      'after',
      `
Examples:
  source <(kvcache completion bash)                        for this shell; in ~/.bashrc, for every one
  kvcache completion zsh > "\${fpath[1]}/_kvcache"          once
  kvcache completion fish > ~/.config/fish/completions/kvcache.fish`,
    )
    .action((shell: Shell) => {
      terminal.line(completionScript(shell, program.name(), commandTree(program)).trimEnd());
    });
}
