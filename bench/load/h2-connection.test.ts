import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Ended, grpcMessage, H2Connection } from './h2-connection.ts';

let server: Http2Server | undefined;
afterEach(() => server?.close());

/** Node's own server: it answers with as many bytes as it was sent, or with none on /refuse. */
async function echo(): Promise<number> {
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { endStream: headers[':path'] === '/refuse' });
      if (headers[':path'] !== '/refuse') stream.end(Buffer.concat(chunks));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function call(connection: H2Connection, body: Buffer): Promise<Ended> {
  return new Promise((resolve) => connection.call(body, resolve));
}

describe('the load generator over HTTP/2', () => {
  test('calls side by side are answered, each with its bytes', async () => {
    const connection = await H2Connection.open(await echo(), '/echo');
    const sizes = Array.from({ length: 200 }, (_, index) => 1 + index);
    const ended = await Promise.all(sizes.map((size) => call(connection, Buffer.alloc(size))));
    expect(ended).toEqual(sizes.map((bytes) => ({ ok: true, bytes })));
    connection.close();
  });

  test('a message of megabytes keeps to the windows of the server and arrives whole', async () => {
    const connection = await H2Connection.open(await echo(), '/echo');
    const body = grpcMessage(Buffer.alloc(3_000_000, 'x'));
    const ended = await Promise.all([call(connection, body), call(connection, body), call(connection, body)]);
    expect(ended).toEqual(Array.from({ length: 3 }, () => ({ ok: true, bytes: 3_000_005 })));
    connection.close();
  });

  test('an answer without data is a failure, as a refused gRPC call has none', async () => {
    const connection = await H2Connection.open(await echo(), '/refuse');
    expect(await call(connection, Buffer.from('x'))).toEqual({ ok: false, bytes: 0 });
    connection.close();
  });

  test('calls of a connection that was closed end as failures', async () => {
    const connection = await H2Connection.open(await echo(), '/echo');
    connection.close();
    expect(await call(connection, Buffer.from('x'))).toMatchObject({ ok: false });
  });
});
