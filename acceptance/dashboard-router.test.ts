/** The dashboard of a router in a real browser, over a local cluster that gets a shard while the page is open. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasBrowser, openBrowser } from '../testing/browser.ts';
import { TestCluster } from './cluster.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const values = 96;
const valueBytes = 128 * 1024;

describe.skipIf(!hasBrowser)('the dashboard of a router', () => {
  let cluster: TestCluster;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    // As slow as may be: a quarter of the values takes some seconds to move.
    [cluster, browser] = await Promise.all([
      TestCluster.start({ args: ['--handover-bandwidth', '1MiB'] }),
      openBrowser(),
    ]);
    page = await (await browser.newContext({ viewport: { width: 1_280, height: 1_000 } })).newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.dispose();
  });

  test('shows all shards, and slots on the move from shard to shard until all are in place', async () => {
    const client = cluster.keyClient();
    await client.mset(Array.from({ length: values }, (_, key) => [`moving-${key}`, Buffer.alloc(valueBytes, key)]));
    await page.goto(`http://${cluster.process('router').addresses['http']}/#/overview`);
    await page.getByRole('img', { name: /shard-0 \d+ slots, shard-1 \d+ slots, shard-2 \d+ slots/ }).waitFor();
    await page.getByText('all in place').waitFor();
    expect(await page.locator('.ring-moving').count()).toBe(0);

    const scaled = cluster.scale(4);
    await page.getByText(/\d on the move/).waitFor();
    await page.getByRole('heading', { name: 'shard-3' }).waitFor();
    await page.locator('.ring-moving').first().waitFor();
    const moves = await page.locator('.ring-moving title').allTextContents();
    expect(moves).not.toEqual([]);
    for (const move of moves) expect(move).toMatch(/^slots \d+–\d+ move from shard-[012] to shard-3$/);
    await page.getByText(/\d+ slots arriving, .* to go/).waitFor();

    expect((await scaled).code).toBe(0);
    await page.getByText('all in place').waitFor();
    await page.getByRole('img', { name: /shard-3 4\d\d\d slots/ }).waitFor();
    expect(await page.locator('.ring-moving').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('finds, shows and changes keys of every shard, and tells whose each is', async () => {
    const { slots } = cluster.topology();
    await page.getByRole('link', { name: 'keys' }).click();
    await page.getByLabel('Prefix').fill('moving-');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('button', { name: 'More keys' }).click();
    await expect.poll(() => page.locator('.key-name').count()).toBe(values);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Key', { exact: true }).fill('moving-by-hand');
    await page.getByLabel('Value').fill('here');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByRole('heading', { name: 'moving-by-hand' }).waitFor();
    const place = await page.getByText(/^shard-\d, slot \d+$/).textContent();
    const [, shard, slot] = /^(shard-\d), slot (\d+)$/.exec(place!)!;
    const owner = slots.find(({ from, to }) => from <= Number(slot) && Number(slot) <= to)!;
    expect(owner.shards[0]).toBe(shard);
    expect(String(await cluster.keyClient().get('moving-by-hand'))).toBe('here');
    expect(complaints).toEqual([]);
  });
});
