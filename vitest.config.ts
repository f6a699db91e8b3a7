import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'dashboard/src/**/*.test.{ts,tsx}',
            'test/architecture.test.ts',
            'scripts/**/*.test.ts',
          ],
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
          exclude: process.env.ESP_TEST_FULL ? [] : ['test/scenarios/**/*.long.scenario.ts'],
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
          include: ['test/browser/**/*.browser.ts', 'test/browser/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
