/** How the plugin says what it has read of objects. */
import type { KVCache, KVCacheStatus } from '../../operator/api/schema.ts';
import type { ConditionType } from '../../operator/api/status.ts';
import { roundedBytes } from '../../settings/units.ts';

export function isTrue({ status }: KVCache, type: ConditionType): boolean {
  return status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

export function messageOfCondition({ status }: KVCache, type: ConditionType): string | undefined {
  return status?.conditions?.find((condition) => condition.type === type)?.message;
}

export function scalingSentence(scaling: NonNullable<KVCacheStatus['scaling']>): string {
  const { from, to, slotsMoving, keysLeft, bytesLeft } = scaling;
  const way = `scaling from ${from} to ${to} shards`;
  if (slotsMoving === 0) return way;
  return `${way}: ${slotsMoving} slots are moving, ${keysLeft} keys (${roundedBytes(bytesLeft)}) left`;
}

const minuteMs = 60_000;
const units = [
  { suffix: 'd', ms: 24 * 60 * minuteMs },
  { suffix: 'h', ms: 60 * minuteMs },
  { suffix: 'm', ms: minuteMs },
  { suffix: 's', ms: 1_000 },
] as const;

/** How long ago it was, as kubectl says it: its largest unit, and whole. */
export function ageText(time: string | undefined, nowMs = Date.now()): string {
  if (time === undefined) return '-';
  const ageMs = Math.max(0, nowMs - Date.parse(time));
  const unit = units.find(({ ms }) => ageMs >= ms) ?? units.at(-1)!;
  return `${Math.floor(ageMs / unit.ms)}${unit.suffix}`;
}
