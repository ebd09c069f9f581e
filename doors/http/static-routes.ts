/**
 * The dashboard's files, as `npm run generate` has built them (dashboard/build.ts), read once and kept: a hundred
 * kilobytes. They hold nothing of the cache and are open to everybody, so that a browser can show where to log in; what
 * the page asks for then is not.
 *
 * The policy lets the page load nothing from anywhere else, and nobody frame it.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Answer } from './answer.ts';
import { type Route, route } from './route.ts';

const folder = join(import.meta.dirname, '../../dashboard/built');

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const files = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8', operation: 'dashboard' },
  // Where the Go KVCache has its page: what was bookmarked there is found here.
  { path: '/web/index.html', file: 'index.html', type: 'text/html; charset=utf-8', operation: 'dashboardOfWeb' },
  { path: '/dashboard.js', file: 'dashboard.js', type: 'text/javascript; charset=utf-8', operation: 'dashboardScript' },
  { path: '/dashboard.css', file: 'dashboard.css', type: 'text/css; charset=utf-8', operation: 'dashboardStyle' },
] as const;

export function staticRoutes(): Route[] {
  return files.map(({ path, file, type, operation }) => {
    const content = readFileSync(join(folder, file));
    const headers = {
      etag: `W/"${hash('sha256', content, 'base64url').slice(0, 22)}"`,
      vary: 'accept-encoding',
      'cache-control': 'no-cache',
      'content-security-policy': contentSecurityPolicy,
      'referrer-policy': 'no-referrer',
    };
    const plain: Answer = { status: 200, type, body: content, headers };
    const unchanged: Answer = { status: 304, type, body: '', headers };
    let small: Answer | undefined;
    return route({
      method: 'GET',
      path,
      operation,
      tag: 'dashboard',
      isOpen: true,
      summary: `The dashboard: ${file}`,
      answers: { 200: { description: 'The file.', type }, 304: { description: 'The file is as it was.' } },
      handle: (call) => {
        if (call.headers['if-none-match'] === headers.etag) return unchanged;
        if (!/\bbr\b/.test(call.headers['accept-encoding']?.toString() ?? '')) return plain;
        return (small ??= { ...plain, body: compressed(content), headers: { ...headers, 'content-encoding': 'br' } });
      },
    });
  });
}

/** In a few milliseconds, and a third as large. */
function compressed(content: Buffer): Buffer {
  return brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
}
