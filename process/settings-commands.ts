/** SETTINGS.GET and SETTINGS.SET, by which other processes of a cluster, and its operator, see and change settings. */
import { OK, type Reply, ReplyError } from '../commands/reply.ts';
import type { KeptSettings } from '../settings/kept.ts';

/** Nested JSON, secrets masked. */
export function shownSettings(settings: Pick<KeptSettings, 'get'>): Reply {
  return Buffer.from(settings.get());
}

/** Arguments: JSON with what is to change, and perhaps CHECK, which changes nothing and answers what would be wrong. */
export async function changeSettings(
  settings: Pick<KeptSettings, 'check' | 'update'>,
  [json, mode]: readonly Buffer[],
): Promise<Reply> {
  const word = mode?.toString('latin1').toUpperCase();
  if (word !== undefined && word !== 'CHECK') {
    return new ReplyError('ERR', "SETTINGS.SET takes 'CHECK' or nothing more");
  }
  const text = json!.toString('utf8');
  const fault = word === 'CHECK' ? settings.check(text) : await settings.update(text);
  return fault === undefined ? OK : new ReplyError('CONFIG', fault);
}
