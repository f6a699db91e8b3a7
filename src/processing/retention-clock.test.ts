import { expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import { createRetentionClock } from './retention-clock.ts';

const startAt = Date.UTC(2026, 0, 5, 8);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function setUp(newestStoredAt: number | null = startAt) {
  /** `set`: how far the wall clock was set. */
  const clock = { passed: 0, set: 0 };
  const told: string[] = [];
  const telemetry = createTelemetry();
  telemetry.onAny((name) => told.push(name));
  const retentionNow = createRetentionClock({
    now: () => startAt + clock.passed + clock.set,
    // It has fractions.
    elapsed: () => 12_345.25 + clock.passed,
    newestStoredAt: async () => newestStoredAt,
    telemetry,
  });
  /** By how much it is ahead of the time that has passed. */
  const aheadMs = async () => (await retentionNow()) - startAt - clock.passed;
  return { clock, told, aheadMs };
}

it('is the wall clock, set ahead or back by little', async () => {
  const { clock, told, aheadMs } = setUp();
  expect(await aheadMs()).toBe(0);
  clock.passed += dayMs;
  clock.set = limits.clockAheadMaxMs;
  expect(await aheadMs()).toBe(clock.set);
  clock.set -= 5_000;
  expect(await aheadMs()).toBe(clock.set);
  expect(told).toEqual([]);
});

it('is not led far ahead by small steps either', async () => {
  const { clock, told, aheadMs } = setUp();
  for (let step = 0; step < 100; step += 1) {
    expect(await aheadMs()).toBeLessThanOrEqual(limits.clockAheadMaxMs);
    clock.passed += 60_000;
    clock.set += limits.clockAheadMaxMs - 60_000;
  }
  expect(told).toEqual(['clock.ahead']);
  // A clock that is kept in time by little takes its little every day.
  const drifting = setUp();
  for (let day = 0; day < 10; day += 1) {
    drifting.clock.set = day * 60_000;
    expect(await drifting.aheadMs()).toBe(drifting.clock.set);
    drifting.clock.passed += dayMs;
  }
  expect(drifting.told).toEqual([]);
});

it('does not follow a clock that is set far ahead, says so once, and goes on meanwhile', async () => {
  const { clock, told, aheadMs } = setUp();
  await aheadMs();
  clock.set = 365 * dayMs;
  for (let hour = 0; hour < 23; hour += 1) {
    expect(await aheadMs()).toBe(0);
    clock.passed += hourMs;
  }
  expect(told).toEqual(['clock.ahead']);
});

it('is as before when the clock has been set right meanwhile', async () => {
  const { clock, told, aheadMs } = setUp();
  await aheadMs();
  clock.set = 365 * dayMs;
  await aheadMs();
  clock.passed += 12 * hourMs;
  clock.set = 1_000;
  expect(await aheadMs()).toBe(1_000);
  expect(told).toEqual(['clock.ahead', 'clock.followed']);
  // The next time has a day of its own.
  clock.set = 365 * dayMs;
  clock.passed += 13 * hourMs;
  expect(await aheadMs()).toBe(1_000);
  clock.passed += 12 * hourMs;
  expect(await aheadMs()).toBe(1_000);
});

it('follows after a day: the machine slept, or was wrong before', async () => {
  const { clock, told, aheadMs } = setUp();
  await aheadMs();
  clock.set = 3 * dayMs;
  await aheadMs();
  clock.passed += dayMs;
  expect(await aheadMs()).toBe(3 * dayMs);
  expect(told).toEqual(['clock.ahead', 'clock.followed']);
});

it('gives a clock that is set ahead once more a day once more, and still follows a machine that sleeps every night', async () => {
  const { clock, aheadMs } = setUp();
  await aheadMs();
  for (let night = 0; night < 20; night += 1) {
    clock.set += 8 * hourMs;
    await aheadMs();
    clock.passed += 16 * hourMs;
    await aheadMs();
  }
  expect(clock.set - (await aheadMs())).toBeLessThan(3 * dayMs);
  clock.set += 3_650 * dayMs;
  clock.passed += 12 * hourMs;
  expect(await aheadMs()).toBeLessThan(30 * dayMs);
});

it('follows a clock that is set back at once', async () => {
  const { clock, told, aheadMs } = setUp();
  await aheadMs();
  clock.set = -3 * dayMs;
  expect(await aheadMs()).toBe(-3 * dayMs);
  // And is ahead where it was before.
  clock.set = 0;
  expect(await aheadMs()).toBe(-3 * dayMs);
  expect(told).toEqual(['clock.ahead']);
});

it('begins with the newest event, since the clock may be wrong at the start; without one, with the clock', async () => {
  const { aheadMs, told } = setUp(startAt - 30 * dayMs);
  expect(await aheadMs()).toBe(-30 * dayMs);
  expect(told).toEqual(['clock.ahead']);
  expect(await setUp(startAt - 3 * dayMs).aheadMs()).toBe(0);
  expect(await setUp(null).aheadMs()).toBe(0);
  // Stored while the clock was ahead.
  expect(await setUp(startAt + 30 * dayMs).aheadMs()).toBe(0);
});

it('tells whole milliseconds, also while it does not follow the clock', async () => {
  const { clock, aheadMs } = setUp();
  await aheadMs();
  clock.passed += 0.5;
  expect(Number.isInteger((await aheadMs()) + clock.passed)).toBe(true);
  clock.set = 365 * dayMs;
  expect(Number.isInteger((await aheadMs()) + clock.passed)).toBe(true);
});
