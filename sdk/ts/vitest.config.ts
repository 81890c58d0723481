import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const place = ({ moduleId }: TestSpecification) =>
  `${moduleId.endsWith('/liquidation.test.ts') ? 1 : 0} ${moduleId}`;

/** By name, whatever took how long before; last what makes prices fall: margin is dearer for an hour after it. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((a, b) => place(a).localeCompare(place(b)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: ByName },
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
