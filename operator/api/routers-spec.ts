/** `spec.routers`: the processes that clients talk to. */
import { z } from 'zod';
import { routerMebibytesMin } from './facts.ts';
import { duration, field, group, int32 } from './field.ts';
import { memoryLimit } from './pod-fields.ts';
import { podFields } from './workload-fields.ts';

const autoscaling = field(
  z.object({
    minReplicas: field(int32({ min: 1, max: 256 }).default(2), 'The fewest routers.'),
    maxReplicas: field(int32({ min: 1, max: 256 }), 'The most routers.'),
    targetCPUUtilizationPercentage: field(
      int32({ min: 1, max: 100 }).default(70),
      'The share of the requested processor time that routers should use on average.',
    ),
  }),
  'A HorizontalPodAutoscaler for the routers, instead of `replicas`.',
  {
    rules: [
      {
        rule: 'self.minReplicas <= self.maxReplicas',
        message: 'spec.routers.autoscaling.minReplicas must not be above maxReplicas',
      },
    ],
  },
);

export const routers = group(
  z.object({
    replicas: field(int32({ min: 1, max: 256 }), 'How many routers there are; 2 without it.').optional(),
    autoscaling: autoscaling.optional(),
    unavailableReads: field(
      z.enum(['miss', 'error']).default('miss'),
      'What a read of a key answers while its shard is away.',
    ),
    unavailableWrites: field(
      z.enum(['error', 'drop']).default('error'),
      'What a write answers while its shard is away. `drop` answers OK without having stored anything, and counts it: only for clients that cannot read errors.',
    ),
    maxConnectionAge: field(
      duration().default('30m'),
      'A gRPC connection this old, plus or minus a tenth, is asked to go when its calls are done, so that clients spread over new routers; 0s for never.',
    ),
    terminationGracePeriodSeconds: field(
      int32({ min: 15, max: 3_600 }).default(45),
      'How long an ending router may take to answer what it has begun.',
    ),
    ...podFields,
  }),
  'The routers, which clients talk to.',
  {
    rules: [
      {
        rule: '!(has(self.replicas) && has(self.autoscaling))',
        message: 'spec.routers.replicas and spec.routers.autoscaling exclude each other; keep one of them',
      },
      {
        rule: `!has(self.resources) || !has(self.resources.limits) || !('memory' in self.resources.limits) || ${memoryLimit} >= quantity('${routerMebibytesMin}Mi').asApproximateFloat()`,
        message: `spec.routers.resources.limits.memory must be at least ${routerMebibytesMin}Mi, or no router starts`,
      },
    ],
  },
);
