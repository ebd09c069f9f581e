/** Requests of HTTP/1.1: routes that are there and some that are not, bodies that are JSON and some that are not. */
import { Dice } from './random.ts';

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'get', ''];
const paths = [
  '/health',
  '/ready',
  '/metrics',
  '/openapi.json',
  '/api/v1/set',
  '/api/v1/mset',
  '/api/v1/mget',
  '/api/v1/mdelete',
  '/api/v1/get/',
  '/api/v1/delete/',
  '/api/v1/scan',
  '/api/v1/config',
  '/api/v1/keys',
  '/api/v1/cluster',
  '/../../etc/passwd',
  '/',
];
const lengths = ['0', '5', '-1', '1e3', '99999999999999999999', '18446744073709551615', 'a', ''];

export function* httpFrames(seed: number): Generator<Buffer, never> {
  const dice = new Dice(seed);
  const scalar = (): unknown =>
    dice.one([null, true, -1, 1e308, 'text', '', '\u0000', '🙂', 'x'.repeat(dice.below(200))]);
  const value = (depth: number): unknown => {
    if (depth === 0 || dice.percent(50)) return scalar();
    if (dice.percent(50)) return Array.from({ length: dice.below(4) }, () => value(depth - 1));
    const names = ['key', 'value', 'ttl', 'keys', 'kvs', 'key_values', 'eviction', '__proto__', 'constructor'];
    return Object.fromEntries(Array.from({ length: dice.below(4) }, () => [dice.one(names), value(depth - 1)]));
  };
  const bombs = ['[', '{"a":', '"\\u'];
  const body = (): Buffer => {
    if (dice.percent(10)) return Buffer.from(dice.one(bombs).repeat(dice.below(5_000)));
    return dice.percent(15) ? dice.bytes(64) : Buffer.from(JSON.stringify(value(4)) ?? '');
  };
  for (;;) {
    const content = body();
    const length = dice.percent(10) ? dice.one(lengths) : String(content.byteLength);
    const path = `${dice.one(paths)}${encodeURIComponent(dice.bytes(12).toString('latin1'))}`;
    const query = dice.percent(30) ? `?prefix=${dice.one(['', '%00', '%', 'a'])}&limit=${dice.one(lengths)}` : '';
    const head = [
      `${dice.one(methods)} ${path}${query} HTTP/1.1`,
      'Host: fuzz',
      `Content-Length: ${length}`,
      ...(dice.percent(5) ? ['Transfer-Encoding: chunked'] : []),
      ...(dice.percent(10) ? [`X-${dice.bytes(8).toString('latin1')}: ${dice.bytes(20).toString('latin1')}`] : []),
    ];
    yield dice.spoilt(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), content]));
  }
}
