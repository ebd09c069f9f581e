import { expect, test } from 'vitest';
import { unlinkedRouters } from '../reconcile/assessment.ts';
import type { PodView } from '../reconcile/view.ts';
import { parseRouterReport } from './report.ts';

const pod = (name: string, role: PodView['role'], isReady: boolean) =>
  ({ name, role, isReady, isTerminating: false }) as PodView;

const report = (links: unknown) =>
  parseRouterReport(Buffer.from(JSON.stringify({ name: 'c-router-a', epoch: 3, links })))!;

test('a router that does not reach a ready shard is named with it', () => {
  const links = [
    { shard: 'c-shard-0', state: 'ready', epoch: 3 },
    { shard: 'c-shard-1', state: 'away' },
    { shard: 'c-shard-2', state: 'connecting' },
  ];
  const pods = [
    pod('c-router-a', 'router', true),
    pod('c-shard-0', 'shard', true),
    pod('c-shard-1', 'shard', true),
    pod('c-shard-2', 'shard', false),
  ];
  expect(report(links)).toEqual({
    kind: 'router',
    name: 'c-router-a',
    epoch: 3,
    unreached: ['c-shard-1', 'c-shard-2'],
  });
  expect(unlinkedRouters({ pods, reports: [report(links)] })).toEqual(['c-router-a does not reach c-shard-1']);
  // A router that serves nobody, and a shard that is away itself, are told of elsewhere.
  expect(unlinkedRouters({ pods: [pod('c-router-a', 'router', false)], reports: [report(links)] })).toEqual([]);
});

test('what is no list of links is none', () => {
  for (const links of [undefined, 'x', [null, 7, {}]]) expect(report(links).unreached).toEqual([]);
});
