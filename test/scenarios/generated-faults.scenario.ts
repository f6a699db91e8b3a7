/**
 * Promise: whatever order of sends, crashes, lost answers, takeovers, restarts, redrives, conflicts, trims, retention
 * and folding comes, every record has exactly one outcome, every id is stored once, and the metrics equal the store.
 *
 * 200 seeds of generated operations against a simple model; ESP_TEST_SEED=17 runs seed 17 alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createModel } from './generated/model.ts';
import { createDraw, type Operation, operations } from './generated/operations.ts';
import { createWorld } from './generated/world.ts';
import { createSeededRandom } from './harness.ts';

const seedCount = 200;
const operationsPerSeed = 30;
const only = process.env.ESP_TEST_SEED;
const seeds = only === undefined ? Array.from({ length: seedCount }, (_, index) => index + 1) : [Number(only)];

it.each(seeds)('holds for seed %i', async (seed) => {
  const random = createSeededRandom(seed);
  const draw = createDraw(random);
  const directory = mkdtempSync(join(tmpdir(), 'esp-generated-'));
  const world = await createWorld(directory, random);
  const model = createModel();
  const history: string[] = [];
  try {
    for (let step = 0; step < operationsPerSeed; step += 1) {
      const told = await drawOperation(random)(world, model, draw);
      history.push(told);
    }
    await world.work({ kind: 'none' });
    await model.check(world);
  } catch (error) {
    throw new Error(`seed ${seed}, after:\n  ${history.join('\n  ')}`, { cause: error });
  } finally {
    await world.close();
    rmSync(directory, { recursive: true, force: true });
  }
  expect(history).toHaveLength(operationsPerSeed);
});

function drawOperation(random: () => number): Operation {
  const total = operations.reduce((sum, [weight]) => sum + weight, 0);
  let left = random() * total;
  for (const [weight, operation] of operations) {
    left -= weight;
    if (left < 0) return operation;
  }
  return operations[0]![1];
}
