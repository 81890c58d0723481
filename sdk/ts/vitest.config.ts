import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'parity', include: ['test/parity/**/*.test.ts'], testTimeout: 300_000 } },
      { test: { name: 'package', include: ['test/package/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/localnet.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // One chain, one clock.
          fileParallelism: false,
        },
      },
    ],
  },
});
