/**
 * What commands print: tables and colours for people at a terminal, plain lines for pipes, JSON where asked for.
 *
 * Colours need a terminal and are off where NO_COLOR is set (no-color.org) or TERM is `dumb`.
 */
import Table from 'cli-table3';

export interface Terminal {
  readonly isTerminal: boolean;
  readonly hasColours: boolean;
  /** Writes a line to standard output. */
  line(text?: string): void;
  /** Empties the screen, if it is one. */
  clear(): void;
  /** Writes a line to standard error. */
  warn(text: string): void;
  /** Writes bytes to standard output as they are; resolves when they are handed to the system. */
  bytes(bytes: Buffer): Promise<void>;
}

export function processTerminal(): Terminal {
  const isTerminal = process.stdout.isTTY;
  const noColour = process.env['NO_COLOR'] !== undefined && process.env['NO_COLOR'] !== '';
  return {
    isTerminal,
    hasColours: isTerminal && !noColour && process.env['TERM'] !== 'dumb',
    line: (text = '') => process.stdout.write(`${text}\n`),
    clear: () => {
      if (isTerminal) process.stdout.write('\u001B[H\u001B[2J');
    },
    warn: (text) => process.stderr.write(`${text}\n`),
    bytes: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export function styled(terminal: Terminal, style: keyof typeof styles, text: string): string {
  return terminal.hasColours ? `\u001B[${styles[style]}m${text}\u001B[0m` : text;
}

/** A table at a terminal; elsewhere a line a row with tabs between, head included, for `cut` and `awk`. */
export function printTable(terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): void {
  if (!terminal.isTerminal) {
    for (const row of [head, ...rows]) terminal.line(row.join('\t'));
    return;
  }
  const table = new Table({
    head: [...head],
    style: terminal.hasColours ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] },
  });
  for (const row of rows) table.push([...row]);
  terminal.line(table.toString());
}

export function printJson(terminal: Terminal, value: unknown): void {
  terminal.line(JSON.stringify(value, undefined, terminal.isTerminal ? 2 : undefined));
}
