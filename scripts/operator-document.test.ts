/** `docs/operator.md` against the program: alerts and scripts are written by its tables of reasons. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { conditionReasons, eventReasons } from '../operator/reconcile/reasons.ts';

const text = readFileSync(join(import.meta.dirname, '../docs/operator.md'), 'utf8');

/** The rows of the table under a heading, without its head. */
function tableUnder(heading: string): string[][] {
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) => row.slice(1, -1).split('|').map(plain));
}

function plain(cell: string): string {
  return cell.trim().replace(/^`(.*)`$/u, '$1');
}

test('the Events are those that the operator writes', () => {
  const expected = Object.entries(eventReasons).map(([reason, { type, means }]) => [reason, type, means]);
  expect(tableUnder('Events')).toEqual(expected);
});

test('the reasons of conditions are those that it gives', () => {
  const expected = Object.entries(conditionReasons).flatMap(([type, reasons]) =>
    Object.entries(reasons).map(([reason, means]) => [type, reason, means]),
  );
  expect(tableUnder('Conditions')).toEqual(expected);
});
