import { defineConfig } from 'vitest/config';

/**
 * The suite on a cluster, apart from `npm test`. `together/` are scenarios that keep to their namespace, two at a time;
 * `alone/` are those that harm what others need (the operator, nodes, the API server), one after the other.
 */
const common = {
  pool: 'forks',
  retry: 0,
  // A step has waits with words of their own; this bound is for a hang of the harness itself.
  testTimeout: 600_000,
  hookTimeout: 120_000,
  // What is told of a failure at the end is its message: with the values in it, not `{ …(1) }`.
  chaiConfig: { truncateThreshold: 1_000 },
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'together',
          include: ['e2e/scenarios/together/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'alone',
          include: ['e2e/scenarios/alone/*.test.ts'],
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
