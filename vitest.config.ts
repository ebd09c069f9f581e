import { defineConfig } from 'vitest/config';

/** Two cores everywhere: two workers, and generous bounds for tests that start real processes. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', '.kvcache/**', 'e2e/scenarios/**'],
    setupFiles: ['testing/property-seed.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is told of a failure at the end is its message: with the values in it, not `{ …(1) }`.
    chaiConfig: { truncateThreshold: 1_000 },
    // What is waited for takes as long as a busy machine takes; the default is one second.
    expect: { poll: { timeout: 20_000 } },
  },
});
