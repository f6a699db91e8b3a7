import { describe, expect, it } from 'vitest';
import type { WorkerStatus } from '../worker/worker-host.ts';
import {
  awayReasons,
  closedReason,
  joiningReasons,
  oneWorkerReasons,
  sharedWorkReasons,
  soleWorkerReasons,
  toReadiness,
} from './readiness.ts';

const status = (overrides: Partial<WorkerStatus> = {}): WorkerStatus => {
  return { running: true, working: [0, 1], halted: new Map(), ...overrides };
};
const bug = new Map([[1, { reason: 'bug', message: 'x is not a function' }]]);
const nothing = { unclaimed: () => [], idle: () => [] };

describe('a process that serves everything', () => {
  it('is ready where nothing is missing', () => {
    expect(toReadiness([...closedReason(null, null), ...soleWorkerReasons(status())])).toEqual({
      ready: true,
      reasons: [],
    });
  });

  it.each([
    ['worker_down', soleWorkerReasons(status({ running: false })), /started again/],
    ['not_claimed', soleWorkerReasons(status({ working: [] })), /has not claimed/],
    ['bug', soleWorkerReasons(status({ halted: bug })), /Partition 1 is halted: x is not a function/],
    ['disk_full', closedReason('disk_full', null), /ESP_FREE_DISK_BYTES_MIN/],
    ['shutting_down', closedReason('shutting_down', null), /stopping/],
    ['log_replaced', closedReason('log_replaced', 'Partition 0 lost records.'), /lost records.*esp doctor/],
  ])('is not ready: %s', (code, reasons, message) => {
    expect(toReadiness(reasons)).toEqual({
      ready: false,
      reasons: [{ code, message: expect.stringMatching(message) }],
    });
  });

  it('says of a replaced log what it knows of each partition, and not the same of the whole', () => {
    const halted = new Map([[3, { reason: 'log_replaced', message: 'The log ends at 5.' }]]);
    const all = [...closedReason('log_replaced', 'The log ends at 5.'), ...soleWorkerReasons(status({ halted }))];
    expect(toReadiness(all).reasons.map(({ message }) => message)).toEqual([
      'Partition 3 is halted: The log ends at 5. Run: esp doctor',
    ]);
  });
});

describe('a process among others', () => {
  it('is ready while only what it does not need is away, and says what that is', () => {
    const away = new Map([
      ['store', 'PostgreSQL does not answer'],
      ['metrics', 'Redis does not answer'],
    ] as const);
    expect(toReadiness(awayReasons([], away, ['log']))).toEqual({
      ready: true,
      reasons: [
        { code: 'store_unavailable', message: 'PostgreSQL does not answer' },
        { code: 'metrics_unavailable', message: 'Redis does not answer' },
      ],
    });
  });

  it('is not ready while what it needs is away, or was never there', () => {
    const missing = 'the topic events is missing: run esp topics create';
    expect(toReadiness(awayReasons([['log', missing]], new Map([['log', 'not open']]), ['log']))).toEqual({
      ready: false,
      reasons: [{ code: 'log_unavailable', message: missing }],
    });
  });

  it('tells of partitions that nobody works on, and names the command', () => {
    const reasons = sharedWorkReasons({ unclaimed: () => [0, 2], idle: () => [1] });
    expect(toReadiness(reasons)).toEqual({
      ready: true,
      reasons: [
        { code: 'not_claimed', message: expect.stringMatching(/partitions 0, 2 .*esp worker/) },
        { code: 'not_worked_on', message: expect.stringMatching(/partition 1, .*esp worker/) },
      ],
    });
    expect(sharedWorkReasons(nothing)).toEqual([]);
  });

  it('does not mind what happens to its own worker: others take over', () => {
    const halted = new Map([...bug, [2, { reason: 'log_replaced', message: 'The log ends at 5.' }]]);
    const { ready, reasons } = toReadiness(oneWorkerReasons(status({ running: false, working: [], halted })));
    expect(ready).toBe(true);
    expect(reasons.map(({ code }) => code)).toEqual(['worker_down', 'bug']);
  });
});

it('a worker is not ready before it is in its group, and the reason is what it waits for', () => {
  expect(toReadiness(joiningReasons(false)).ready).toBe(false);
  expect(joiningReasons(true)).toEqual([]);
});
