import { afterEach, describe, expect, it } from 'vitest';
import { violations } from '../../testing/conforms.ts';
import { createHttpDependencies } from '../../testing/http-dependencies.ts';
import { createHttpApp } from '../app.ts';
import { LedgerView, MetricsView, RebuildView, VerifyView } from '../contract.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function setUp() {
  const made = createHttpDependencies();
  const app = createHttpApp(made.dependencies);
  open.push(app);
  return { app, ...made };
}

describe('GET /api/metrics', () => {
  it('answers the window as the contract has it', async () => {
    const { app } = setUp();
    const answer = await app.inject('/api/metrics?window=1h');
    expect(violations(MetricsView, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({
      window: '1h',
      total: 100,
      duplicates: 2,
      failed: 1,
      by_type: [{ event_type: 'order.created', count: 100 }],
      rate_per_second: 3.33,
      latency_ms: { p50: 1.01, p95: 10, p99: 100 },
      lag_seconds: 1.23,
      step_seconds: 60,
      series: [
        { at: '2023-11-14T22:13:20.000Z', count: 100, p50: 1, p95: 2, p99: 3 },
        { at: '2023-11-14T22:13:30.000Z', count: 0, p50: null, p95: null, p99: null },
      ],
      all_time: { total: 100, duplicates: 2, failed: 1 },
    });
  });

  it('takes 15 minutes where no window is given, and lists the windows where an unknown one is', async () => {
    const { app } = setUp();
    expect((await app.inject('/api/metrics')).json()).toMatchObject({ window: '15m', step_seconds: 10 });
    const answer = await app.inject('/api/metrics?window=2h');
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors[0].message).toBe('must be one of 5m, 15m, 1h, 6h, 24h, 7d');
  });
});

describe('GET /api/ledger', () => {
  it('answers the ledger as the contract has it', async () => {
    const { app } = setUp();
    const answer = await app.inject('/api/ledger');
    expect(violations(LedgerView, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({ appended: 10, stored: 5, in_flight: 2, open_in_inbox: 1, balanced: true });
    expect(answer.json().partitions).toEqual([
      expect.objectContaining({
        partition: 3,
        appended: 10,
        next_offset: 8,
        log_end: 10,
        halted: 'the log was replaced',
      }),
    ]);
  });

  it('takes no parameters', async () => {
    const { app } = setUp();
    expect((await app.inject('/api/ledger?window=1h')).json().errors).toEqual([
      { path: '/query/window', code: 'unknown_parameter', message: 'is not known here; none is taken' },
    ]);
  });
});

describe('maintenance', () => {
  it('verifies, once for all who ask at the same time', async () => {
    const { app, state } = setUp();
    const answers = await Promise.all([1, 2].map(() => app.inject({ method: 'POST', url: '/api/verify' })));
    for (const answer of answers) {
      expect(violations(VerifyView, answer.json())).toEqual([]);
      expect(answer.json().discrepancies).toHaveLength(1);
    }
    expect(state.verifications).toBe(1);
    await app.inject({ method: 'POST', url: '/api/verify' });
    expect(state.verifications).toBe(2);
  });

  it('rebuilds metrics', async () => {
    const { app } = setUp();
    const answer = await app.inject({ method: 'POST', url: '/api/metrics/rebuild' });
    expect(violations(RebuildView, answer.json())).toEqual([]);
    expect(answer.json()).toEqual({ partitions: 8 });
  });
});
