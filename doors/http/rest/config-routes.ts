/** S1's routes of the configuration, over the same function as gRPC's GetConfig and UpdateConfig. */
import { z } from 'zod';
import type { RuntimeConfig, SettingFacts } from '../../runtime-config.ts';
import { invalidRequest, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { doneSchema } from './rest-parts.ts';

const configSchema = z.record(z.string(), z.unknown()).meta({
  description:
    'Settings, nested by the dots of their names (docs/settings.md): sizes in bytes, times in seconds, secrets masked.',
});

const factsSchema = z.array(
  z.object({
    name: z.string(),
    description: z.string(),
    expected: z.string(),
    changes_at_run_time: z.boolean(),
  }),
);

export function configRoutes(
  config: RuntimeConfig,
  facts: readonly SettingFacts[],
  metrics: { configUpdated(): void } | undefined,
): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/config',
      operation: 'getConfig',
      tag: 'config',
      summary: 'The settings in force',
      answers: { 200: { description: 'A router answers for itself and all shards.', schema: configSchema } },
      handle: async () => json(200, JSON.parse(await config.get()) as object),
    }),
    route({
      method: 'POST',
      path: '/api/v1/config',
      operation: 'updateConfig',
      tag: 'config',
      summary: 'Changes settings',
      description:
        'Nested, with dotted names, or flat (`eviction_batch_size`), on all shards and for good: it outlasts restarts. ' +
        'Everything is checked before anything is changed; what does not change at run time is named in the error. What is written back as it was ' +
        'read is no change.',
      json: configSchema,
      answers: {
        200: { description: 'The settings now in force.', schema: doneSchema.extend({ config: configSchema }) },
      },
      handle: async ({ body }) => {
        const fault = await config.update(JSON.stringify(body));
        if (fault !== undefined) return invalidRequest(fault);
        metrics?.configUpdated();
        const now = JSON.parse(await config.get()) as object;
        return json(200, { success: true, message: 'config updated successfully', config: now });
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/settings',
      operation: 'listSettings',
      tag: 'config',
      summary: 'What settings there are, and which change at run time',
      answers: { 200: { description: 'As docs/settings.md.', schema: factsSchema } },
      handle: () =>
        json(
          200,
          facts.map(({ name, description, expected, isChangeable }) => ({
            name,
            description,
            expected,
            changes_at_run_time: isChangeable,
          })),
        ),
    }),
  ];
}
