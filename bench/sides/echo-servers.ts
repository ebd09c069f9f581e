/**
 * The servers that our gRPC door is compared with, each a process of its own: `node bench/sides/echo-servers.ts KIND`.
 *
 *   grpc-js   kv.KeyValueService's Set and Get over a Map, by the server of @grpc/grpc-js
 *   http2     Node's own HTTP/2 without any gRPC: a POST to /write keeps what it is sent, one to /read answers with it
 *
 * Both are told their port's number to their parent by message.
 */
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { KeyValueServiceService } from '../../protos/generated/kv.ts';

const windowBytes = 8 * 1024 * 1024;

function startGrpcJs(): void {
  const values = new Map<string, Buffer>();
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const { set, get } = KeyValueServiceService;
  server.addService(
    { set, get },
    {
      set: (call: { request: { key: Buffer; value: Buffer } }, answer: (error: null, response: object) => void) => {
        values.set(call.request.key.toString('latin1'), call.request.value);
        answer(null, { success: true, error: '' });
      },
      get: (call: { request: { key: Buffer } }, answer: (error: null, response: object) => void) => {
        const value = values.get(call.request.key.toString('latin1'));
        answer(null, { value: value ?? Buffer.alloc(0), found: value !== undefined, error: '' });
      },
    },
  );
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.send?.(port);
  });
}

function startHttp2(): void {
  let kept: Buffer = Buffer.alloc(0);
  const server = createServer({ settings: { initialWindowSize: windowBytes } });
  server.on('session', (session) => session.setLocalWindowSize(4 * windowBytes));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => stream.destroy());
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      if (headers[':path'] === '/read') {
        stream.end(kept);
        return;
      }
      kept = Buffer.concat(chunks);
      stream.end('done!');
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

if (process.argv[2] === 'grpc-js') startGrpcJs();
else startHttp2();
process.on('disconnect', () => process.exit(0));
