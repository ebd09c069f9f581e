/** `kubectl kvcache status`: what the operator last saw of a KVCache, from its status. */
import type { Command } from 'commander';
import type { KVCache } from '../../operator/api/schema.ts';
import type { Condition, ShardStatus } from '../../operator/api/status.ts';
import { nameOfCache } from '../kubernetes/find-cache.ts';
import { cacheOf } from '../kubernetes/plugin-flags.ts';
import { ageText, isTrue, scalingSentence } from '../kubernetes/words.ts';
import { printJson, printTable, styled, type Terminal } from '../terminal.ts';

export function addKubernetesStatus(program: Command, terminal: Terminal): void {
  const command = program
    .command('status')
    .summary('show conditions, shards and progress of a KVCache')
    .description('Shows what the operator last saw of a KVCache: whether it serves, its conditions and its shards.')
    .option('--json', 'print JSON: name, namespace, generation, status')
    .addHelpText(
      'after',
      `
Examples:
  kubectl kvcache status
  kubectl kvcache status -n models --cache prompts
  kubectl kvcache status --json | jq '.status.shards[] | {name, slots}'`,
    );
  command.action(async (options: { json?: boolean }) => {
    const { cache } = await cacheOf(command);
    const { metadata, status } = cache;
    if (options.json) {
      const { name, namespace, generation } = metadata;
      printJson(terminal, { name, namespace, generation, status: status ?? {} });
    } else printStatus(terminal, cache);
  });
}

function printStatus(terminal: Terminal, cache: KVCache): void {
  const { metadata, status = {} } = cache;
  const { conditions = [], shards = [], scaling, rollout } = status;
  const isReady = isTrue(cache, 'Ready');
  const state = conditions.length === 0 ? 'not seen by an operator yet' : isReady ? 'ready' : 'not ready';
  terminal.line(
    `${nameOfCache(cache)} in ${metadata.namespace}: ${styled(terminal, isReady ? 'green' : 'yellow', state)}`,
  );
  if (conditions.length === 0) return;
  if (status.observedGeneration !== metadata.generation) {
    terminal.line('The operator has not seen the newest spec yet.');
  }
  terminal.line(
    [
      `shards ${status.shardsReady ?? '-'}`,
      `routers ${status.routersReady ?? '-'}`,
      `epoch ${status.epoch ?? '-'}`,
      `slots served ${status.slotsServed ?? '-'} of 16384`,
      `hit rate ${status.hitRate ?? '-'}`,
      `memory ${status.memoryUsed ?? '-'}`,
    ].join(', '),
  );
  if (scaling) terminal.line(scalingSentence(scaling));
  if (rollout) {
    const halted = rollout.halted === undefined ? '' : `; halted: ${rollout.halted}`;
    terminal.line(`rolling: ${rollout.updated} of ${rollout.total} shards run the newest pod template${halted}`);
  }
  printTable(terminal, ['condition', 'is', 'reason', 'message', 'since'], conditions.map(conditionRow));
  if (shards.length > 0) printTable(terminal, shardHead, shards.map(shardRow));
}

function conditionRow({ type, status, reason, message, lastTransitionTime }: Condition): string[] {
  return [type, status, reason, message, ageText(lastTransitionTime)];
}

const shardHead = [
  'shard',
  'phase',
  'node',
  'epoch',
  'slots',
  'arriving',
  'keys',
  'memory',
  'hits',
  'Blob lag',
  'restarts',
  'message',
];

function shardRow(shard: ShardStatus): string[] {
  const { name, phase, node, epoch, slots, slotsArriving, keys, memory, hitRate, blobLag, restarts, message } = shard;
  const figures = [node, epoch, slots, slotsArriving, keys, memory, hitRate, blobLag, restarts];
  return [name, phase, ...figures.map((figure) => `${figure ?? '-'}`), message ?? ''];
}
