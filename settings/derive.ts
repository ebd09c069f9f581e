/**
 * Defaults that follow from other settings, and what no single setting can check alone.
 */
import { segmentBytesMax, segmentBytesMin } from '../limits.ts';
import { blobConflicts, hasBlob } from './blob-conflicts.ts';
import { clientTlsNames, securityConflicts } from './security-conflicts.ts';
import type { ProcessRole } from './setting.ts';
import { type GivenSettings, schema, settingNames, type Settings, type SettingName } from './schema.ts';
import { formatBytes } from './units.ts';

type FixedDefaults = { readonly [Name in SettingName]: unknown };

function fixedDefaults(): FixedDefaults {
  const entries = settingNames.map((name) => {
    const fallback = schema[name].default;
    return [name, fallback.kind === 'value' ? fallback.value : undefined] as const;
  });
  return Object.fromEntries(entries) as FixedDefaults;
}

/** Every setting's value: the given one, else its default. */
export function deriveSettings(given: GivenSettings): Settings {
  const values = { ...fixedDefaults(), ...given } as Settings & GivenSettings;
  const diskBytes = values['disk.size'];
  const unflushed = given['blob.max_unflushed'] ?? { share: 0.5 };
  return {
    ...values,
    'hot.size': given['hot.size'] ?? Math.floor((values['memory.limit'] * 3) / 4),
    'log.segment_size': given['log.segment_size'] ?? segmentBytesOf(values['memory.limit'], diskBytes),
    'blob.prefix': given['blob.prefix'] ?? values['shard.name'],
    'client.tls': given['client.tls'] ?? isTlsMeant(given),
    'monitoring.enabled': given['monitoring.enabled'] ?? !values.disable_metrics,
    'blob.max_unflushed':
      'share' in unflushed ? Math.floor(unflushed.share * diskBytes) : Math.min(unflushed.bytes, diskBytes),
  };
}

/** Compaction takes memory by the size of what it moves. */
function segmentBytesOf(memoryBytes: number, diskBytes: number): number {
  return Math.max(segmentBytesMin, Math.floor(Math.min(segmentBytesMax, diskBytes / 8, memoryBytes / 4)));
}

/** Nobody names an authority, or writes https, and wants no TLS. */
function isTlsMeant(given: GivenSettings): boolean {
  const isUrl = given['client.server']?.startsWith('https://') ?? false;
  return isUrl || clientTlsNames.some((name) => given[name] !== undefined);
}

/** Faults between settings that `role` would act on, each a sentence that names them. */
export function conflicts(settings: Settings, role: ProcessRole): string[] {
  const faults = securityConflicts(settings, role);
  if (role !== 'shard' && role !== 'dev') return faults;
  const fault = (holds: boolean, sentence: string): void => {
    if (holds) faults.push(sentence);
  };
  const size = (name: 'hot.size' | 'memory.limit' | 'disk.size' | 'log.segment_size'): string =>
    `${name} (${formatBytes(settings[name])})`;
  fault(
    settings['hot.size'] > settings['memory.limit'],
    `${size('hot.size')} is above ${size('memory.limit')}, of which it is a part; lower the first or raise the second`,
  );
  fault(
    settings['log.segment_size'] * 4 > settings['disk.size'],
    `${size('log.segment_size')} is above a quarter of ${size('disk.size')}; lower the first or raise the second`,
  );
  faults.push(...blobConflicts(settings));
  fault(
    // The local cluster brings Azurite where no account is given.
    role === 'shard' && settings.acknowledgement === 'blob' && !hasBlob(settings),
    "acknowledgement is 'blob' and no Blob account is configured; set blob.connection_string or blob.account_url",
  );
  return faults;
}
