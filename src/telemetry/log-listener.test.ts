import { describe, expect, it } from 'vitest';
import { createLogListener, type LogListenerOptions } from './log-listener.ts';
import { createTelemetry } from './telemetry.ts';

function setUp(options: Partial<LogListenerOptions> = {}) {
  const telemetry = createTelemetry();
  const lines: string[] = [];
  createLogListener({ telemetry, level: 'info', destination: { write: (line) => lines.push(line) }, ...options });
  return { telemetry, lines };
}

const batch = {
  partition: 0,
  records: 4,
  stored: 4,
  duplicate: 0,
  failed: 0,
  lost: 0,
  skipped: 0,
  durationMs: 7,
  latencies: [[1, 4]],
  alreadyCommitted: false,
} as const;

describe('the log', () => {
  it('is one JSON object a line, with the event’s own fields at its own level', () => {
    const { telemetry, lines } = setUp();
    telemetry.emit('partition.paused', { partition: 3, reason: 'store_busy', retryInMs: 200, attempt: 1 });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith('\n')).toBe(true);
    expect(JSON.parse(String(lines[0]))).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      pid: process.pid,
      msg: 'partition.paused',
      partition: 3,
      reason: 'store_busy',
      retryInMs: 200,
      attempt: 1,
    });
  });

  it('has batches at debug, without their histograms, and requests only at trace', () => {
    const request = { method: 'POST', route: '/api/events', status: 202, durationMs: 1 };
    const quiet = setUp();
    const debug = setUp({ level: 'debug' });
    const trace = setUp({ level: 'trace' });
    for (const { telemetry } of [quiet, debug, trace]) {
      telemetry.emit('batch.committed', batch);
      telemetry.emit('request.completed', request);
    }
    expect(quiet.lines).toEqual([]);
    expect(debug.lines).toHaveLength(1);
    expect(JSON.parse(String(debug.lines[0]))).toMatchObject({ msg: 'batch.committed', records: 4 });
    expect(debug.lines[0]).not.toContain('latencies');
    expect(trace.lines).toHaveLength(2);
  });

  it('says nothing at all when silent', () => {
    const { telemetry, lines } = setUp({ level: 'silent' });
    telemetry.emit('partition.halted', { partition: 1, reason: 'bug', message: 'no' });
    expect(lines).toEqual([]);
  });

  it('reads as text for a person', () => {
    const { telemetry, lines } = setUp({ format: 'text' });
    telemetry.emit('process.started', { role: 'all', readyMs: 120 });
    expect(lines[0]).toMatch(/^\S+Z INFO {2}process\.started role=all readyMs=120\n$/);
  });
});
