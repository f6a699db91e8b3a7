import { describe, expect, it } from 'vitest';
import { createPacer } from './seed-pacer.ts';
import { createTraffic, type SeedLine } from './seed-traffic.ts';

const shares = { duplicates: 0.02, conflicts: 0.01, invalid: 0.01 };

function take(count: number, seed: number, options = shares): SeedLine[] {
  let clock = 1_700_000_000_000;
  const traffic = createTraffic({ seed, now: () => (clock += 10), ...options });
  return Array.from({ length: count }, () => traffic.next());
}

function parse(lines: readonly SeedLine[]) {
  return lines
    .filter(({ intent }) => intent !== 'invalid')
    .map(({ intent, bytes }) => ({ intent, event: JSON.parse(Buffer.from(bytes).toString()) }));
}

describe('traffic', () => {
  it('repeats for the same seed, byte for byte, and only for it', () => {
    const text = (seed: number) => take(2_000, seed).map(({ bytes }) => Buffer.from(bytes).toString());
    expect(text(7)).toEqual(text(7));
    expect(text(7)).not.toEqual(text(8));
  });

  it('has more than a dozen types, and keys that recur', () => {
    const events = parse(take(5_000, 1)).map(({ event }) => event);
    expect(new Set(events.map(({ event_type }) => event_type)).size).toBeGreaterThan(12);
    expect(new Set(events.map(({ key }) => key)).size).toBeLessThan(events.length / 2);
  });

  it('sends the steps of an order in their order', () => {
    const steps = new Map<string, string[]>();
    for (const { intent, event } of parse(take(20_000, 2))) {
      if (intent !== 'new' || !event.key.startsWith('ord_')) continue;
      steps.set(event.key, [...(steps.get(event.key) ?? []), event.event_type]);
    }
    expect(steps.size).toBeGreaterThan(100);
    const allowed = new Set([
      'order.placed,payment.declined',
      'order.placed,payment.authorized,order.packed,shipment.dispatched,shipment.delivered',
    ]);
    const whole = [...steps.values()].filter((names) => names.length === 5 || names.at(-1) === 'payment.declined');
    expect(whole.length).toBeGreaterThan(100);
    for (const names of whole) expect(allowed).toContain(names.join());
  });

  it('repeats events exactly, and contradicts them only where it says so', () => {
    const seen = new Map<string, string>();
    const counts = { new: 0, duplicate: 0, conflict: 0 };
    for (const { intent, event } of parse(take(20_000, 3))) {
      const text = JSON.stringify(event);
      const before = seen.get(event.id);
      if (intent === 'new') expect(before).toBeUndefined();
      if (intent === 'duplicate') expect(text).toBe(before);
      if (intent === 'conflict') expect(text).not.toBe(before);
      if (intent === 'new') seen.set(event.id, text);
      counts[intent as keyof typeof counts] += 1;
    }
    expect(counts.duplicate / 20_000).toBeCloseTo(shares.duplicates, 2);
    expect(counts.conflict / 20_000).toBeCloseTo(shares.conflicts, 2);
  });

  it('is clean when nothing bad is asked for', () => {
    const lines = take(5_000, 4, { duplicates: 0, conflicts: 0, invalid: 0 });
    expect(lines.every(({ intent }) => intent === 'new')).toBe(true);
  });
});

describe('pacer', () => {
  function run(options: Parameters<typeof createPacer>[0], seconds: number, max = Number.POSITIVE_INFINITY): number[] {
    const pacer = createPacer(options);
    const perTick: number[] = [];
    for (let tick = 0; tick <= seconds * 50; tick++) perTick.push(pacer.take(tick / 50, max));
    return perTick;
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

  it('keeps the rate exactly when steady', () => {
    expect(sum(run({ ratePerSecond: 33, steady: true, daySeconds: 60, seed: 1 }, 60))).toBe(33 * 60);
  });

  it('keeps the rate on average over a day of bursts', () => {
    const total = sum(run({ ratePerSecond: 200, steady: false, daySeconds: 600, seed: 1 }, 600));
    expect(total / 600).toBeGreaterThan(180);
    expect(total / 600).toBeLessThan(220);
  });

  it('has bursts well above the mean', () => {
    const perTick = run({ ratePerSecond: 1_000, steady: false, daySeconds: 60, seed: 1 }, 60);
    const seconds = Array.from({ length: 60 }, (_, second) => sum(perTick.slice(second * 50, second * 50 + 50)));
    expect(Math.max(...seconds)).toBeGreaterThan(2_000);
    expect(Math.min(...seconds)).toBeLessThan(600);
  });

  it('hands out no more than is asked for, and the rest later', () => {
    const pacer = createPacer({ ratePerSecond: 100, steady: true, daySeconds: 60, seed: 1 });
    expect(pacer.take(0.5, 20)).toBe(20);
    expect(pacer.take(0.5, 20)).toBe(20);
    expect(pacer.take(0.5, 20)).toBe(10);
  });

  it('does not make up for a long pause', () => {
    const pacer = createPacer({ ratePerSecond: 100, steady: true, daySeconds: 60, seed: 1 });
    expect(pacer.take(60, Number.POSITIVE_INFINITY)).toBe(100);
  });

  it('has no limit at rate 0', () => {
    expect(createPacer({ ratePerSecond: 0, steady: false, daySeconds: 60, seed: 1 }).take(0, 500)).toBe(500);
  });
});
