/**
 * Applies the KVCache of the release (kvcache.json beside this file) by server-side apply, as a hook of the chart.
 *
 * Helm looks up every kind of a release before it installs anything, so a KVCache cannot be part of the release that brings
 * its definition; and what Helm makes by a hook it never changes again. This does both, install after install.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const body = readFileSync(new URL('kvcache.json', import.meta.url), 'utf8');
const { apiVersion, metadata } = JSON.parse(body);
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const path = `/apis/${apiVersion}/namespaces/${metadata.namespace}/kvcaches/${metadata.name}`;
const headers = {
  authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8')}`,
  'content-type': 'application/apply-patch+yaml',
};

/** Undefined while the API server does not serve KVCaches yet, which takes a moment after their definition is there. */
async function apply() {
  const answer = await fetch(`${server}${path}?fieldManager=helm&force=true`, { method: 'PATCH', headers, body });
  const { message } = await answer.json();
  if (answer.ok) return { ok: true, text: `applied KVCache ${metadata.name}` };
  return answer.status === 404 ? undefined : { ok: false, text: message };
}

// The Job's deadline ends this.
let outcome = await apply();
while (outcome === undefined) {
  await pause(1_000);
  outcome = await apply();
}
console.log(outcome.text);
if (!outcome.ok) process.exitCode = 1;
