/**
 * The commands of `kubectl kvcache` that are about a KVCache as an object. All others are those of `kvcache`, at a router
 * that is reached through a port of this machine (cli/kubectl.ts).
 */
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addKubernetesEvents } from './kubernetes-events.ts';
import { addKubernetesScale } from './kubernetes-scale.ts';
import { addKubernetesStatus } from './kubernetes-status.ts';

export function addKubernetesCommands(program: Command, terminal: Terminal): void {
  addKubernetesStatus(program, terminal);
  addKubernetesScale(program, terminal);
  addKubernetesEvents(program, terminal);
}
