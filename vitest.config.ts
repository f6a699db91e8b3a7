import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests on real Kafka, PostgreSQL and Redis: a project of their own, because they need Java and Maven. */
const production = [
  'src/*/{kafka,postgres,redis}/**/*.int.test.ts',
  'src/**/*.kafka.int.test.ts',
  'src/testing/stack/**/*.int.test.ts',
];
const productionScenarios = 'test/scenarios/production/**/*.scenario.ts';
const longScenarios = process.env.ESP_TEST_FULL ? [] : ['test/scenarios/**/*.long.scenario.ts'];

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'dashboard/src/**/*.test.{ts,tsx}', 'bench/**/*.test.ts', 'test/*.test.ts'],
          exclude: production,
          // Worker threads want a process of their own.
          pool: 'forks',
          maxWorkers: Math.max(2, availableParallelism() - 1),
          // They end what hangs. A busy machine makes nothing fail that comes at all.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 15_000 } },
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'scenarios',
          include: ['test/scenarios/**/*.scenario.ts'],
          exclude: [productionScenarios, ...longScenarios],
          pool: 'forks',
          // Each starts real servers and some measure: more at once on a small machine only makes them slow.
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.browser.ts'],
          pool: 'forks',
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'production',
          include: [...production, productionScenarios],
          exclude: longScenarios,
          globalSetup: 'src/testing/stack/vitest.setup.ts',
          pool: 'forks',
          maxWorkers: 2,
          // Alone a broker stands in 5 s; where the cores are busy with everything else, ten times that has been seen.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
