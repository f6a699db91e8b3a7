import { describe, expect, it } from 'vitest';
import type { PartName } from '../../telemetry/telemetry.ts';
import type { WorkerStatus } from '../worker/worker-host.ts';
import { createServerStatus, type ServerStatusOptions } from './server-status.ts';

const full = { isFull: () => true, freeBytes: () => 0, stop: () => undefined };

function setUp(overrides: Partial<ServerStatusOptions> = {}, away: ReadonlyMap<PartName, string> = new Map()) {
  return createServerStatus({
    parts: { isShared: true, freeDisk: null },
    lateParts: { log: { problem: () => null }, store: { problem: () => null }, metrics: { problem: () => null } },
    gate: { closed: () => null },
    watch: { replaced: () => null, away: () => away, unclaimed: () => [], idle: () => [] },
    workerHost: null,
    isStopping: () => false,
    ...overrides,
  });
}

const workerThat = (status: Partial<WorkerStatus>) => ({
  status: (): WorkerStatus => ({ running: true, working: [0], halted: new Map(), ...status }),
});
const replaced = new Map([[0, { reason: 'log_replaced', message: 'Partition 0 is another one.' }]]);
const codesOf = (status: ReturnType<typeof setUp>) => status.readiness().reasons.map(({ code }) => code);

describe('a server', () => {
  it('takes events in and is ready where nothing stands in the way', () => {
    const status = setUp();
    expect(status.whyClosed()).toBeNull();
    expect(status.readiness()).toEqual({ ready: true, reasons: [] });
  });

  it.each<[string, Partial<ServerStatusOptions>]>([
    ['shutting_down', { gate: { closed: () => 'shutting_down' }, parts: { isShared: false, freeDisk: full } }],
    ['disk_full', { parts: { isShared: true, freeDisk: full } }],
    [
      'log_replaced',
      { watch: { replaced: () => 'Another.', away: () => new Map(), unclaimed: () => [], idle: () => [] } },
    ],
    ['log_replaced', { workerHost: workerThat({ halted: replaced }) }],
  ])('takes nothing in, and says so: %s', (code, overrides) => {
    const status = setUp(overrides);
    expect(status.whyClosed()).toBe(code);
    expect(status.readiness().ready).toBe(false);
    expect(codesOf(status)).toContain(code);
  });

  it('that begins to stop is not ready, though it still takes events in', () => {
    const status = setUp({ isStopping: () => true });
    expect(status.whyClosed()).toBeNull();
    expect(codesOf(status)).toEqual(['shutting_down']);
  });

  it('tells of parts that are not open here, do not answer, or are not open in another thread', () => {
    const status = setUp(
      { lateParts: { log: { problem: () => null }, store: { problem: () => 'not open yet' } } },
      new Map([['metrics', 'silent']]),
    );
    expect(codesOf(status)).toEqual(['metrics_unavailable', 'store_unavailable']);
    status.include({ down: () => 0, waiting: () => [['log', 'no broker']] });
    expect(codesOf(status)).toContain('log_unavailable');
    expect(status.readiness().ready).toBe(false);
  });

  it('tells of threads that do not listen, once it has any', () => {
    const status = setUp();
    status.include({ down: () => 1, waiting: () => [] });
    expect(status.readiness().reasons).toHaveLength(1);
  });

  it('tells of its own worker', () => {
    expect(codesOf(setUp({ workerHost: workerThat({ running: false }) }))).toEqual(['worker_down']);
  });
});
