/** Everything that the HTTP door serves once there is an executor: the API, its document, and the dashboard. */
import type { Executor } from '../../commands/command.ts';
import type { RuntimeConfig, SettingFacts } from '../runtime-config.ts';
import { type ApiInfo, documentRoute } from './openapi.ts';
import { blockRoutes } from './rest/block-routes.ts';
import { clusterRoutes } from './rest/cluster-routes.ts';
import type { ClusterView } from './rest/cluster-view.ts';
import { batchRoutes } from './rest/batch-routes.ts';
import { configRoutes } from './rest/config-routes.ts';
import { keyRoutes } from './rest/key-routes.ts';
import { runnerOf } from './rest/rest-parts.ts';
import { scanRoutes } from './rest/scan-routes.ts';
import { valueRoutes } from './rest/value-routes.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { KindFigures } from '../measured-executor.ts';
import type { Route } from './route.ts';
import { staticRoutes } from './static-routes.ts';

export interface ApiParts {
  readonly executor: Executor;
  readonly config: RuntimeConfig;
  readonly settings?: readonly SettingFacts[] | undefined;
  readonly metrics?: { configUpdated(): void; figures(): Record<string, KindFigures> } | undefined;
  readonly view: ClusterView;
  readonly tokenizer: Tokenizer;
  readonly info: ApiInfo;
  /** Routes that are there already, for the document. */
  readonly watching: readonly Route[];
}

export function apiRoutes({
  executor,
  config,
  settings = [],
  metrics,
  view,
  tokenizer,
  info,
  watching,
}: ApiParts): Route[] {
  const run = runnerOf(executor);
  const routes = [
    ...keyRoutes(run),
    ...batchRoutes(run),
    ...scanRoutes(run),
    ...valueRoutes(run, view),
    ...blockRoutes({ run, view, tokenizer }),
    ...configRoutes(config, settings, metrics),
    ...clusterRoutes({ run, view, version: info.version, figures: () => metrics?.figures() ?? {} }),
  ];
  return [...staticRoutes(), ...routes, documentRoute([...watching, ...routes], info)];
}
