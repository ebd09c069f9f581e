/** The dashboard in a real browser, over a real shard. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { Redis } from 'ioredis';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PutRequest, type VectorClock } from '../protos/generated/versionedstore-messages.ts';
import { KVStoreClient } from '../protos/generated/versionedstore.ts';
import { hasBrowser, openBrowser } from '../testing/browser.ts';
import { ShardProcess } from './shard-process.ts';

const token = 'a-token-of-sixteen-characters';

describe.skipIf(!hasBrowser)('the dashboard', () => {
  let shard: ShardProcess;
  let guarded: ShardProcess;
  let browser: Browser;
  let folder: string;
  /** What no page may cause: requests to others, and what the browser complains of. */
  const strangers: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kvcache-dashboard-'));
    [shard, guarded, browser] = await Promise.all([
      ShardProcess.start({ dataPath: join(folder, 'open') }),
      ShardProcess.start({ dataPath: join(folder, 'guarded'), settings: { 'auth.token': token } }),
      openBrowser(),
    ]);
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), shard?.dispose(), guarded?.dispose()]);
  });
  afterEach(() => {
    expect(strangers.splice(0)).toEqual([]);
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(tab: string, options: BrowserContextOptions = {}, url = shard.url): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(20_000);
    page.on('request', (request) => {
      if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(url)) strangers.push(request.url());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The answer that makes the page ask for a login is one that the browser reports.
      if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
    });
    await page.goto(`${url}/#/${tab}`);
    return page;
  }

  test('shows the cluster and what happens in it, in light and dark, wide and at 400 pixels', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open('overview', { colorScheme, viewport: { width: 400, height: 800 } });
      await page.getByRole('img', { name: /Slots on the ring: shard-0 16384 slots/ }).waitFor();
      await page.getByRole('heading', { name: 'shard-0' }).waitFor();
      await shard.keyClient().set('k', 'v');
      await page.getByText('Commands a second').waitFor();
      await page.locator('.tile', { hasText: 'Keys' }).getByText(/^\d/).first().waitFor();
      const widest = await page.evaluate('document.documentElement.scrollWidth');
      expect(widest).toBeLessThanOrEqual(400);
      await page.context().close();
    }
  });

  test('makes, shows, changes and deletes keys', async () => {
    const page = await open('keys');
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Key', { exact: true }).fill('fruit/ä 1');
    await page.getByLabel('Value').fill('apple');
    await page.getByLabel('Expires after seconds').fill('500');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByRole('button', { name: /^fruit\/ä 1/ }).waitFor();
    const client = shard.keyClient();
    expect((await client.get('fruit/ä 1'))?.toString()).toBe('apple');
    expect(await client.ttl('fruit/ä 1')).toBeGreaterThan(490);

    await page.getByRole('button', { name: /^fruit\/ä 1/ }).click();
    await page.getByText('shard-0, slot').waitFor();
    await page.getByRole('button', { name: 'Hex' }).click();
    await page.getByText('61 70 70 6c 65').waitFor();
    await page.getByRole('button', { name: 'Text' }).click();
    await page.getByLabel('Value').fill('pear');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByText('Stored.').waitFor();
    expect((await client.get('fruit/ä 1'))?.toString()).toBe('pear');

    writeFileSync(join(folder, 'upload.bin'), Buffer.from([0xff, 0, 1]));
    await page.getByLabel('Store a file').setInputFiles(join(folder, 'upload.bin'));
    await expect.poll(async () => (await client.get('fruit/ä 1'))?.toString('hex')).toBe('ff0001');

    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Yes, delete it' }).click();
    await expect.poll(() => client.get('fruit/ä 1')).toBeNull();
    await page.context().close();
  });

  test('keeps the kind of a typed value that is changed, refuses what is none, and shows collections', async () => {
    const value = (key: string): string => `${shard.url}/api/v1/values/${key}`;
    await fetch(`${value('typed-count')}?type=int`, { method: 'PUT', body: '41' });
    const page = await open('keys');
    await page.getByLabel('Prefix').fill('typed-');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('button', { name: /^typed-count/ }).click();
    await page.getByText('shard-0, slot').waitFor();
    await page.getByLabel('Value').fill('many');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByText('it must be an integer of 64 bits').waitFor();
    // The browser itself reports the answer 400, too.
    expect(complaints.splice(0)).toEqual([expect.stringContaining('400')]);
    await page.getByLabel('Value').fill('42');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByText('Stored.').waitFor();
    const facts = await fetch(`${shard.url}/api/v1/keys/typed-count`);
    expect(await facts.json()).toMatchObject({ type: 'int', value: '42' });

    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Key', { exact: true }).fill('typed-price');
    await page.getByLabel('Kind').selectOption('decimal');
    await page.getByLabel('Value').fill('19.90');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByRole('button', { name: /^typed-price\s*decimal/ }).waitFor();

    const redis = new Redis(shard.portOf('resp'), '127.0.0.1');
    await redis.hset('typed-hash', { colour: 'grün' });
    redis.disconnect();
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('button', { name: /^typed-hash/ }).click();
    await expect.poll(() => page.getByLabel('Value (to look at)').inputValue()).toContain('"colour": "grün"');
    await page.context().close();
  });

  test('shows the siblings of a key with versions, and makes one value of them', async () => {
    const client = new KVStoreClient(shard.server, credentials.createInsecure());
    const put = (value: string, version?: VectorClock): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const request = PutRequest.fromPartial({ key: 'siblings', value: Buffer.from(value), version });
        client.put(request, (error, response) => (error ? reject(error) : resolve(response)));
      });
    await put('one');
    await put('two', { entries: [{ nodeId: 'elsewhere', counter: 1n }] });
    client.close();
    const page = await open('keys');
    await page.getByLabel('Prefix').fill('siblings');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('button', { name: /^siblings/ }).click();
    await page.getByText('2 siblings, newest first.').waitFor();
    await page.getByRole('definition').getByText('one', { exact: true }).waitFor();
    await page.getByLabel('Value').fill('both');
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByText('Stored.').waitFor();
    await page.getByText(/^Version .*shard-0: 3/).waitFor();
    await page.context().close();
  });

  test('shows which blocks of a pasted prompt are cached', async () => {
    await shard.promptClient().writeAsync({
      hash: 77n,
      parentHash: 0n,
      partitionKey: 'p',
      completionId: '',
      tokens: Array.from({ length: 128 }, (_, place) => BigInt(place)),
      buffer: Buffer.alloc(2_048),
    });
    const page = await open('blocks');
    await page.getByLabel('Account URL').fill('https://acceptance.example');
    await page.getByLabel('Container').fill('acceptance');
    await page.getByLabel('Partition key').fill('p');
    await page.getByRole('button', { name: 'Tokens' }).click();
    await page.getByLabel('Tokens: numbers').fill(Array.from({ length: 300 }, (_, place) => place).join(', '));
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('300 tokens, 2 whole blocks of 128: the first 1 are cached.').waitFor();
    await page.getByRole('cell', { name: '77', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Text' }).click();
    await page.getByLabel('Text', { exact: true }).fill('so it goes and goes '.repeat(60));
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText(/2 whole blocks of 128: the first 0 are cached/).waitFor();
    await page.context().close();
  });

  test('has the API by hand, changes settings, and is used by keyboard alone', async () => {
    const page = await open('single');
    await page.getByLabel('Key', { exact: true }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('by-hand');
    await page.getByLabel('Value').fill('x');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByText('key set successfully').waitFor();
    await page.getByRole('link', { name: 'batch' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Get all' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('by-hand');
    await page.getByRole('button', { name: 'Get all' }).press('Enter');
    await page.getByText('"count": 1').waitFor();
    await page.getByRole('link', { name: 'scan' }).press('Enter');
    await page.getByLabel('Prefix').fill('by-');
    await page.keyboard.press('Enter');
    await page.getByText('"by-hand": "x"').waitFor();

    await page.getByRole('link', { name: 'config' }).press('Enter');
    await page.getByLabel('eviction.batch_size').fill('321');
    await page.keyboard.press('Enter');
    await page.getByText('config updated successfully').waitFor();
    expect(await (await fetch(`${shard.url}/api/v1/config`)).json()).toMatchObject({ eviction: { batch_size: 321 } });

    await page.getByRole('link', { name: 'metrics' }).press('Enter');
    await page.getByText('kv_sets_total').waitFor();
    await page.getByRole('link', { name: 'health' }).press('Enter');
    await page.getByText('service is running').first().waitFor();
    await page.getByRole('link', { name: 'api', exact: true }).press('Enter');
    await page.getByText('/api/v1/blocks/lookup').waitFor();
    await page.context().close();
  });

  test('asks for the token where one is needed, and for nothing before', async () => {
    const page = await open('overview', {}, guarded.url);
    await page.getByLabel('Secret').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('These credentials are not accepted here.').waitFor();
    await page.getByLabel('Secret').fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('img', { name: /Slots on the ring/ }).waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Secret').waitFor();
    await page.context().close();
  });
});
