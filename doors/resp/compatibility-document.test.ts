import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestExecutor } from '../../router/testing/test-executor.ts';
import { Catalogue } from './catalogue.ts';
import { compatibilityDocument } from './compatibility-document.ts';
import { laterCommands, redisCommands } from './redis-commands.ts';
import { redisSubcommands } from './redis-subcommands.ts';
import { sessionCommands } from './session/session-commands.ts';
import { OpenDoor } from './testing/open-door.ts';
import { RespClient } from './testing/resp-client.ts';

test('docs/redis-compatibility.md is what the tables of commands say (npm run generate writes it)', () => {
  const path = join(import.meta.dirname, '../../docs/redis-compatibility.md');
  expect(readFileSync(path, 'utf8')).toBe(compatibilityDocument());
});

test('every command of the door is one of Redis', () => {
  const listed = new Set([...Object.values(redisCommands), ...Object.values(laterCommands)].flat());
  const { commands } = new Catalogue(sessionCommands);
  expect(commands.map(({ name }) => name).filter((name) => !listed.has(name))).toEqual([]);
});

test('of a command that has subcommands, those that are missing are unknown, and the others are not', async () => {
  const executor = new TestExecutor('shard');
  await using open = await OpenDoor.open(executor);
  for (const [command, { known, missing }] of redisSubcommands) {
    for (const name of missing) {
      using client = await RespClient.open(open.port);
      expect(await client.ask(command, name, 'x')).toBe(`-ERR unknown subcommand '${name}'. Try ${command} HELP.`);
    }
    // With far too many arguments none of them does anything.
    for (const name of known) {
      using client = await RespClient.open(open.port);
      const words = Array.from({ length: 9 }, () => 'x');
      const answer = await client.ask(command, name, ...words);
      expect(answer, `${command} ${name}`).not.toContain('unknown subcommand');
    }
  }
  executor.close();
});
