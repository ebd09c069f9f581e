/**
 * A real browser for tests of the dashboard: Debian's Chromium, or the one that CHROMIUM_PATH names. Where there is
 * none, tests are skipped with a line that says so.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const path = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

export const hasBrowser: boolean = existsSync(path);
if (!hasBrowser) process.stderr.write(`no browser at ${path}: tests of the dashboard are skipped (CHROMIUM_PATH)\n`);

/** It asks nobody for anything by itself. */
export function openBrowser(): Promise<Browser> {
  const quiet = ['background-networking', 'component-update', 'sync', 'gpu'].map((what) => `--disable-${what}`);
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', ...quiet] });
}
