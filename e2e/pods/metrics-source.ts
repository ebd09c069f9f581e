/**
 * A metrics source for autoscalers: `metrics.k8s.io/v1beta1` as metrics-server serves it, with the processor time that a
 * scenario says instead of one that a kubelet measured.
 *
 * The autoscaler, the pods that it asks about and the scale subresource are the real ones; only the figure is given,
 * because a test of "busy" that depended on how busy two shared cores are would tell about the cores. Every container of
 * the pods that match the asked-for labels uses `millicores` (POST /usage {"millicores": n} on the plain port).
 */
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer, request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../errors.ts';

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Record<string, string> };
    readonly spec: { readonly containers: readonly { readonly name: string }[] };
    readonly status: { readonly phase: string };
  }[];
}

const tlsPort = 8_443;
const plainPort = 9_000;
const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const group = { apiVersion: 'metrics.k8s.io/v1beta1' };
const resources = [{ name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] }];
let millicores = 0;

/** The pods that the asker means, from the API server. */
async function podsOf(namespace: string, labelSelector: string): Promise<PodList> {
  const query = new URLSearchParams({ labelSelector }).toString();
  const call = request({
    host: process.env['KUBERNETES_SERVICE_HOST'],
    port: process.env['KUBERNETES_SERVICE_PORT'],
    path: `/api/v1/namespaces/${namespace}/pods?${query}`,
    ca: readFileSync(`${account}/ca.crt`),
    headers: { authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8')}` },
  });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  if (response.statusCode !== 200) throw new Error(`the API server answered ${response.statusCode}: ${text}`);
  return JSON.parse(text) as PodList;
}

async function metricsOf(namespace: string, labelSelector: string) {
  const { items } = await podsOf(namespace, labelSelector);
  const timestamp = new Date().toISOString();
  const usage = { cpu: `${millicores}m`, memory: '64Mi' };
  return items
    .filter(({ status }) => status.phase === 'Running')
    .map(({ metadata: { name, labels }, spec }) => ({
      metadata: { name, namespace, labels },
      timestamp,
      window: '1s',
      containers: spec.containers.map((container) => ({ name: container.name, usage })),
    }));
}

async function answer(url: URL): Promise<unknown> {
  const namespace = /^\/apis\/metrics\.k8s\.io\/v1beta1\/namespaces\/([^/]+)\/pods$/u.exec(url.pathname)?.[1];
  if (namespace === undefined) {
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'metrics.k8s.io/v1beta1', resources };
  }
  const items = await metricsOf(namespace, url.searchParams.get('labelSelector') ?? '');
  return { kind: 'PodMetricsList', ...group, metadata: {}, items };
}

function serve(incoming: IncomingMessage, response: ServerResponse): void {
  const send = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  answer(new URL(incoming.url ?? '/', 'https://metrics')).then(
    (value) => send(200, value),
    (error: unknown) => send(500, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: messageOf(error) }),
  );
}

const tls = { cert: readFileSync('/tls/tls.crt'), key: readFileSync('/tls/tls.key') };
createServer(tls, serve).listen(tlsPort);
createPlainServer((incoming, response) => {
  void (async () => {
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    if (body !== '') ({ millicores } = JSON.parse(body) as { millicores: number });
    response.end('{}');
  })();
}).listen(plainPort, () => process.stdout.write('the metrics source listens\n'));
process.once('SIGTERM', () => process.exit(0));
