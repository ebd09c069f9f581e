/** Routes for orchestrators and Prometheus, there from the process's first moment to its last: health, readiness, metrics. */
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { json } from './answer.ts';
import { type Route, route } from './route.ts';

export interface Watched {
  /** Undefined: no metrics. */
  readonly registry: Registry | undefined;
  /** Does the process live? */
  readonly isHealthy: () => boolean;
  /** Why the process should get no traffic now; empty when it should. */
  readonly unreadyReasons: () => readonly string[];
  readonly metricsPath?: string | undefined;
  /** Health is served here and at /health. */
  readonly healthPath?: string | undefined;
  /** Readiness is served here and at /ready. */
  readonly readyPath?: string | undefined;
  readonly metrics?: { healthChecked(seconds: number): void } | undefined;
  /** Serve metrics to everybody. */
  readonly isMetricsOpen?: boolean | undefined;
}

const healthSchema = z.object({ status: z.enum(['healthy', 'unhealthy']), message: z.string() });

export function watchingRoutes(watched: Watched): Route[] {
  const healthPaths = new Set(['/health', watched.healthPath ?? '/api/v1/health']);
  const readyPaths = new Set(['/ready', watched.readyPath ?? '/ready']);
  return [
    ...[...healthPaths].map((path, place) => healthRoute(watched, path, place === 0 ? 'health' : 'healthOfApi')),
    ...[...readyPaths].map((path, place) => readyRoute(watched, path, place === 0 ? 'ready' : 'readyAsSet')),
    ...(watched.registry ? [metricsRoute(watched, watched.registry)] : []),
  ];
}

function healthRoute({ isHealthy, metrics }: Watched, path: string, operation: string): Route {
  return route({
    method: 'GET',
    path,
    operation,
    tag: 'watching',
    isOpen: true,
    summary: 'Whether the process lives',
    answers: {
      200: { description: 'It does.', schema: healthSchema },
      503: { description: 'It does not.', schema: healthSchema },
    },
    handle: () => {
      const startedMs = performance.now();
      const answer = isHealthy()
        ? json(200, { status: 'healthy', message: 'service is running' })
        : json(503, { status: 'unhealthy', message: 'service is not running' });
      metrics?.healthChecked((performance.now() - startedMs) / 1_000);
      return answer;
    },
  });
}

function readyRoute({ unreadyReasons }: Watched, path: string, operation: string): Route {
  return route({
    method: 'GET',
    path,
    operation,
    tag: 'watching',
    isOpen: true,
    summary: 'Whether the process should get traffic',
    answers: {
      200: { description: 'It should.', schema: z.object({ status: z.literal('ready') }) },
      503: {
        description: 'It should not, and why.',
        schema: z.object({ status: z.literal('not ready'), reasons: z.array(z.string()) }),
      },
    },
    handle: () => {
      const reasons = unreadyReasons();
      return reasons.length === 0 ? json(200, { status: 'ready' }) : json(503, { status: 'not ready', reasons });
    },
  });
}

function metricsRoute({ metricsPath = '/metrics', isMetricsOpen = false }: Watched, registry: Registry): Route {
  return route({
    method: 'GET',
    path: metricsPath,
    operation: 'metrics',
    tag: 'watching',
    isOpen: isMetricsOpen,
    summary: 'Metrics in the text form of Prometheus',
    answers: { 200: { description: 'All metrics of this process.', type: registry.contentType } },
    handle: async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  });
}
