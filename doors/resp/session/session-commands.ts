/** All commands that the door does itself. */
import { clientCommands } from './client-commands.ts';
import { clusterCommands } from './cluster-commands.ts';
import { commandCommands } from './command-commands.ts';
import { configCommands } from './config-commands.ts';
import { connectionCommands } from './connection-commands.ts';
import { infoCommands } from './info-commands.ts';
import type { SessionCommand } from './session-command.ts';

export const sessionCommands: readonly SessionCommand[] = [
  ...connectionCommands,
  ...clientCommands,
  ...commandCommands,
  ...configCommands,
  ...infoCommands,
  ...clusterCommands,
];
