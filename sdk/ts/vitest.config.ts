import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** First who needs an exchange without a pause, which governance sets; last what makes prices fall: margin is dearer for an hour. */
const order = ['trader', '', 'liquidation'].map((name) => `/${name}.test.ts`);
const place = ({ moduleId }: TestSpecification) => {
  const at = order.findIndex((name) => moduleId.endsWith(name));
  return `${at < 0 ? 1 : at} ${moduleId}`;
};

/** By name but for these, whatever took how long before. */
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
