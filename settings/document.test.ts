import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settingsDocument } from './document.ts';
import { settingNames, settingOf } from './schema.ts';
import { environmentNameOf, flagOf } from './setting.ts';

test('docs/settings.md is what the schema says (npm run generate writes it)', () => {
  const path = join(import.meta.dirname, '../docs/settings.md');
  expect(readFileSync(path, 'utf8')).toBe(settingsDocument());
});

test('no two settings share a name or a flag, and no two of one process a variable', () => {
  const all = settingNames.flatMap((name) => {
    const { aliases, usedBy } = settingOf(name);
    const names = [name, ...(aliases.names ?? [])].map((text) => `name ${text}`);
    const flags = [flagOf(name), ...(aliases.flags ?? [])].map((text) => `flag ${text}`);
    const variables = [environmentNameOf(name), ...(aliases.environment ?? [])];
    return [...names, ...flags, ...variables.flatMap((variable) => usedBy.map((role) => `${variable} of ${role}`))];
  });
  expect(all).toEqual([...new Set(all)]);
});

test('every fixed default is a value that its own type reads back', () => {
  for (const name of settingNames) {
    const { type, default: fallback, ignored } = settingOf(name);
    // What is ignored is never parsed, and shown as it came.
    if (ignored) continue;
    if (fallback.kind === 'value') expect(type.schema.parse(type.format(fallback.value)), name).toEqual(fallback.value);
  }
});
