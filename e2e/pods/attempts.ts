/**
 * Single attempts with certificates and credentials of the asker's choosing: what a pod inside the cluster meets at the
 * doors and at the internal port of another one. Each opens a connection of its own, for standing ones go on whatever
 * has been rotated since.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { KvcacheClient } from '../../client/key-client.ts';
import type { ClientOptions } from '../../client/options.ts';
import { ReplyError } from '../../commands/reply.ts';
import { messageOf } from '../../errors.ts';
import { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import { ask } from '../../link/ask.ts';
import { ShardLink } from '../../link/shard-link.ts';

/** Where a port is, and whom its certificate is expected to name. */
export interface Port {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  /** The authority that is trusted. */
  readonly caFile: string;
}

export interface LinkAttempt extends Port {
  /** Whom the hello of the link is expected of. */
  readonly shard: string;
  readonly secret?: string;
  /** What is shown; absent: nothing. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface HttpAttempt extends Port {
  readonly path: string;
  readonly token?: string;
}

const accepted = 'accepted';
const attemptTimeoutMs = 5_000;

/** One question of the SDK, which shards answer for themselves too: 'accepted', or why not. */
export async function attemptCall(options: ClientOptions): Promise<string> {
  try {
    using client = new KvcacheClient({ ...options, timeoutMs: attemptTimeoutMs, retry: { attemptsMax: 1 } });
    await client.status();
    return accepted;
  } catch (error) {
    return messageOf(error);
  }
}

/** One question on the internal port, as a router asks it: 'accepted', or why not. */
export async function attemptLink({ host, port, shard, secret, ...files }: LinkAttempt): Promise<string> {
  const { caFile, certFile, keyFile, serverName } = files;
  const link = new ShardLink({
    shard,
    address: `${host}:${port}`,
    deadlines: new DeadlineWheel(),
    secret,
    tls: {
      ca: readFileSync(caFile, 'utf8'),
      ...(certFile && keyFile && { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }),
      serverName,
    },
  });
  try {
    const reply = await ask(link, 'TOPOLOGY.GET', [], { timeoutMs: attemptTimeoutMs, epoch: undefined });
    return reply instanceof ReplyError ? reply.message : accepted;
  } finally {
    link.close();
  }
}

/** One GET over HTTPS: status and body. */
export async function attemptHttp({ host, port, path, token, serverName, caFile }: HttpAttempt) {
  const call = request({
    host,
    port,
    path,
    servername: serverName,
    ca: readFileSync(caFile),
    agent: false,
    signal: AbortSignal.timeout(attemptTimeoutMs),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body };
}

/** The fingerprint of the certificate that a port shows now. */
export async function shownCertificate({ host, port, serverName, caFile }: Port): Promise<string> {
  const socket = connect({
    host,
    port,
    servername: serverName,
    ca: readFileSync(caFile),
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(attemptTimeoutMs) });
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
