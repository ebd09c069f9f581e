/**
 * SETTINGS.GET and SETTINGS.SET, by which other processes of a cluster, and its operator, see and change settings; and on
 * the internal port of shards what link/settings-exchange.ts says.
 */
import { OK, type Reply, ReplyError } from '../commands/reply.ts';
import type { InternalCommands } from '../link/internal-executor.ts';
import { formatChanges, parseChanges } from '../settings/cluster-change.ts';
import type { KeptSettings } from '../settings/kept.ts';

/** Nested JSON, secrets masked. */
export function shownSettings(settings: Pick<KeptSettings, 'get'>): Reply {
  return Buffer.from(settings.get());
}

/**
 * Arguments: JSON with what is to change, and perhaps CHECK, which changes nothing and answers what would be wrong, or AT
 * and the time of a change of all shards.
 */
export async function changeSettings(
  settings: Pick<KeptSettings, 'check' | 'update'>,
  [json, mode, time]: readonly Buffer[],
): Promise<Reply> {
  const word = mode?.toString('latin1').toUpperCase();
  const stamp = word === 'AT' ? stampOf(time) : undefined;
  const isKnown = word === undefined || (word === 'CHECK' && time === undefined) || stamp !== undefined;
  if (!isKnown) return new ReplyError('ERR', "SETTINGS.SET takes 'CHECK', 'AT' and a time, or nothing more");
  const text = json!.toString('utf8');
  const fault = word === 'CHECK' ? settings.check(text) : await settings.update(text, stamp);
  return fault === undefined ? OK : new ReplyError('CONFIG', fault);
}

function stampOf(argument: Buffer | undefined): number | undefined {
  const text = argument?.toString('latin1') ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

export function settingsCommands(settings: Pick<KeptSettings, 'clusterChanges' | 'take'>): InternalCommands {
  return {
    'SETTINGS.CHANGES': { arguments: 0, run: () => Buffer.from(formatChanges(settings.clusterChanges())) },
    'SETTINGS.TAKE': {
      arguments: 1,
      run: async ([json]) => {
        await settings.take(parseChanges(json!.toString('utf8')));
        return OK;
      },
    },
  };
}
