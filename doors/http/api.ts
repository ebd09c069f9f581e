/** Everything that the HTTP door serves once there is an executor: the API and its document. */
import type { Executor } from '../../commands/command.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import { type ApiInfo, documentRoute } from './openapi.ts';
import { batchRoutes } from './rest/batch-routes.ts';
import { configRoutes } from './rest/config-routes.ts';
import { keyRoutes } from './rest/key-routes.ts';
import { runnerOf } from './rest/rest-parts.ts';
import { scanRoutes } from './rest/scan-routes.ts';
import type { Route } from './route.ts';

export interface ApiParts {
  readonly executor: Executor;
  readonly config: RuntimeConfig;
  readonly metrics?: { configUpdated(): void } | undefined;
  readonly info: ApiInfo;
  /** Routes that are there already, for the document. */
  readonly watching: readonly Route[];
}

export function apiRoutes({ executor, config, metrics, info, watching }: ApiParts): Route[] {
  const run = runnerOf(executor);
  const routes = [...keyRoutes(run), ...batchRoutes(run), ...scanRoutes(run), ...configRoutes(config, metrics)];
  return [...routes, documentRoute([...watching, ...routes], info)];
}
