import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Shell, shells } from './scripts.ts';

const kvcache = resolve(import.meta.dirname, '../../bin/kvcache');
const folder = mkdtempSync(join(tmpdir(), 'kvcache-completion-'));
/** Where there are no files to complete. */
const empty = join(folder, 'empty');
const scriptOf = (shell: Shell): string => join(folder, `completion.${shell}`);

function isInstalled(shell: Shell): boolean {
  const isHere = spawnSync(shell, ['-c', 'true']).status === 0;
  if (!isHere) process.stderr.write(`${shell} is not installed: its completion is not tried\n`);
  return isHere;
}

/** What the shell offers for a line whose last word is being typed. */
function offers(shell: Shell, line: string): string[] {
  const words = line.split(' ');
  const program: Record<Shell, string> = {
    bash: `source ${scriptOf('bash')}
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _kvcache
      printf '%s\\n' "\${COMPREPLY[@]}"`,
    // Its line editor needs a terminal: the words that it is given are what can be looked at without one.
    zsh: `compdef() { :; }; compadd() { shift; print -l -- "$@"; }; _files() { :; }
      _describe() { local entry; for entry in "\${known[@]}"; do [[ "$entry" == '${words.at(-1)}'* ]] && print -- "\${entry%%:*}"; done; true }
      source ${scriptOf('zsh')}
      words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}; _kvcache`,
    fish: `source ${scriptOf('fish')}; complete -C '${line}'`,
  };
  const { stdout, stderr, status } = spawnSync(shell, ['-c', program[shell]], { encoding: 'utf8', cwd: empty });
  expect([status, stderr]).toEqual([0, '']);
  return stdout
    .split('\n')
    .map((offer) => offer.split('\t')[0]!)
    .filter((offer) => offer !== '')
    .toSorted();
}

beforeAll(() => {
  mkdirSync(empty);
  for (const shell of shells) {
    const { stdout, status } = spawnSync(kvcache, ['completion', shell], { encoding: 'utf8' });
    expect(status).toBe(0);
    writeFileSync(scriptOf(shell), stdout);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(shells)('in %s', (shell) => {
  const isHere = isInstalled(shell);

  test.runIf(isHere)('commands are completed, and commands of commands', () => {
    expect(offers(shell, 'kvcache sca')).toEqual(['scale', 'scan']);
    expect(offers(shell, 'kvcache config s')).toEqual(['set']);
    expect(offers(shell, 'kvcache completion f')).toEqual(['fish']);
  });

  test.runIf(isHere)('options are those of the command, also behind its arguments', () => {
    expect(offers(shell, 'kvcache set greeting --tt')).toEqual(['--ttl']);
    expect(offers(shell, 'kvcache get greeting --tt')).toEqual([]);
  });

  test.runIf(isHere)('an option with few values completes these', () => {
    expect(offers(shell, 'kvcache set greeting hello --ack ')).toEqual(['blob', 'disk', 'memory']);
  });
});

test('a shell that nobody knows is refused with the ones that are known', () => {
  const { stderr, status } = spawnSync(kvcache, ['completion', 'tcsh'], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish');
});
