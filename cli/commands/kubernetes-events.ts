/** `kubectl kvcache events`: what has happened to a KVCache and to all that belongs to it, in order. */
import type { Command } from 'commander';
import { nameOfCache } from '../kubernetes/find-cache.ts';
import { cacheOf } from '../kubernetes/plugin-flags.ts';
import { ageText } from '../kubernetes/words.ts';
import { printJson, printTable, styled, type Terminal } from '../terminal.ts';

/** What is read of an Event of events.k8s.io/v1; older reporters fill in the deprecated members instead. */
interface ClusterEvent {
  readonly eventTime?: string | null;
  readonly series?: { readonly lastObservedTime?: string; readonly count?: number } | null;
  readonly deprecatedLastTimestamp?: string | null;
  readonly deprecatedCount?: number;
  readonly metadata: { readonly creationTimestamp?: string };
  readonly type?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly regarding?: { readonly kind?: string; readonly name?: string };
}

interface Told {
  readonly lastSeen: string;
  readonly type: string;
  readonly reason: string;
  readonly object: string;
  readonly message: string;
  readonly count: number;
}

export function addKubernetesEvents(program: Command, terminal: Terminal): void {
  const command = program
    .command('events')
    .summary('show what happened to a KVCache and its pods')
    .description('Shows the Events of a KVCache and of its pods, disks and other objects, the newest last.')
    .option('--warnings', 'only warnings')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  kubectl kvcache events\n  kubectl kvcache events --warnings --json');
  command.action(async (options: { json?: boolean; warnings?: boolean }) => {
    const { kubectl, cache } = await cacheOf(command);
    const { items } = await kubectl.json<{ items: readonly ClusterEvent[] }>(['get', 'events.events.k8s.io']);
    const events = eventsOf(nameOfCache(cache), items).filter(({ type }) => !options.warnings || type === 'Warning');
    if (options.json) printJson(terminal, events);
    else if (events.length === 0) terminal.line('no events; the API server forgets them after an hour');
    else printEvents(terminal, events);
  });
}

function printEvents(terminal: Terminal, events: readonly Told[]): void {
  const rows = events.map(({ lastSeen, type, reason, object, message, count }) => [
    ageText(lastSeen),
    styled(terminal, type === 'Warning' ? 'yellow' : 'green', type),
    reason,
    object,
    `${count}`,
    message,
  ]);
  printTable(terminal, ['last seen', 'type', 'reason', 'object', 'count', 'message'], rows);
}

/** Objects of a KVCache `c` are called c, c-…; another cache `c-x` has objects of such names too, and is no part of it. */
const partsOfNames = 'shards?|routers?|topology|settings|link|dashboard';

function eventsOf(name: string, events: readonly ClusterEvent[]): Told[] {
  const owned = new RegExp(`^(data-)?${name}(-(${partsOfNames})(-[a-z0-9]+)*)?$`);
  return events
    .filter(({ regarding }) => owned.test(regarding?.name ?? ''))
    .map((event) => ({
      lastSeen: lastSeenOf(event),
      type: event.type ?? 'Normal',
      reason: event.reason ?? '',
      object: `${event.regarding?.kind}/${event.regarding?.name}`,
      message: event.note ?? '',
      count: event.series?.count ?? event.deprecatedCount ?? 1,
    }))
    .toSorted((a, b) => Date.parse(a.lastSeen) - Date.parse(b.lastSeen));
}

function lastSeenOf({ series, deprecatedLastTimestamp, eventTime, metadata }: ClusterEvent): string {
  return series?.lastObservedTime ?? deprecatedLastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '';
}
