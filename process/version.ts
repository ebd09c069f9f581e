/** The version of this program, from package.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export function readVersion(): string {
  const content = readFileSync(join(import.meta.dirname, '../package.json'), 'utf8');
  return (JSON.parse(content) as { version: string }).version;
}
