import { afterEach, describe, expect, it } from 'vitest';
import { bucketOf } from '../domain/histogram.ts';
import { samplesOf } from '../testing/prometheus-samples.ts';
import { createPrometheus, type PrometheusGauges } from './prometheus.ts';
import { createTelemetry } from './telemetry.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function setUp(gauges: PrometheusGauges = {}) {
  const telemetry = createTelemetry();
  const prometheus = createPrometheus({ telemetry, readTimeoutMs: 20 });
  prometheus.readFrom(gauges);
  closing.push(() => prometheus.close());
  return { telemetry, prometheus, scrape: () => samplesOf(prometheus) };
}

const batch = {
  partition: 0,
  records: 4,
  stored: 3,
  duplicate: 1,
  failed: 0,
  lost: 0,
  skipped: 0,
  durationMs: 7,
  latencies: [],
  alreadyCommitted: false,
};

describe('the exposition', () => {
  it('is text that Prometheus takes: every sample has a type, and a name with the prefix', async () => {
    const { telemetry, prometheus } = setUp();
    telemetry.emit('request.completed', { method: 'GET', route: '/api/"x"\\', status: 200, durationMs: 1 });
    const { contentType, body } = await prometheus.expose();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body.endsWith('\n')).toBe(true);
    const typed = new Set(
      [...body.matchAll(/^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/gm)].map(([, name]) => name),
    );
    for (const line of body.split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const match = /^(esp_[a-z\d_]+)(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? (?:[-+.\de]+|\+Inf|[Nn]a[Nn])$/.exec(
        line,
      );
      expect(match, line).not.toBeNull();
      const name = String(match?.[1]);
      expect(typed.has(name) || typed.has(name.replace(/_(bucket|sum|count)$/, '')), line).toBe(true);
    }
  });

  it('shows no gauges of what nobody tells it where to read', async () => {
    const prometheus = createPrometheus({ telemetry: createTelemetry(), readTimeoutMs: 20 });
    closing.push(() => prometheus.close());
    const gauge = /^esp_(lag_records|inbox_open|ingest_queue_records|free_disk_bytes)/m;
    expect((await prometheus.expose()).body).not.toMatch(gauge);
    prometheus.readFrom({ queue: () => ({ records: 3, bytes: 30 }) });
    expect((await prometheus.expose()).body).toMatch(/^esp_ingest_queue_records 3$/m);
  });

  it('counts requests by route and class of status', async () => {
    const { telemetry, scrape } = setUp();
    for (const [status, durationMs] of [
      [202, 3],
      [202, 30],
      [503, 1],
    ] as const) {
      telemetry.emit('request.completed', { method: 'POST', route: '/api/events', status, durationMs });
    }
    const samples = await scrape();
    const labels = 'method="POST",route="/api/events",status_class="2xx"';
    expect(samples.get(`esp_http_requests_total{${labels}}`)).toBe(2);
    expect(samples.get(`esp_http_request_duration_seconds_bucket{${labels},le="0.005"}`)).toBe(1);
    expect(samples.get(`esp_http_request_duration_seconds_bucket{${labels},le="+Inf"}`)).toBe(2);
    expect(samples.get(`esp_http_request_duration_seconds_sum{${labels}}`)).toBeCloseTo(0.033);
    expect(samples.get('esp_http_requests_total{method="POST",route="/api/events",status_class="5xx"}')).toBe(1);
    // A second scrape tells the same: what was handed over is not handed over twice.
    expect((await scrape()).get(`esp_http_requests_total{${labels}}`)).toBe(2);
  });

  it('counts records by outcome, and batches by size and time', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('batch.committed', batch);
    telemetry.emit('batch.committed', { ...batch, records: 2_000, stored: 2_000, duplicate: 0, durationMs: 40 });
    const samples = await scrape();
    expect(samples.get('esp_records_total{outcome="stored"}')).toBe(2_003);
    expect(samples.get('esp_records_total{outcome="duplicate"}')).toBe(1);
    expect(samples.get('esp_records_total{outcome="lost"}')).toBe(0);
    expect(samples.get('esp_batch_records_bucket{le="5"}')).toBe(1);
    expect(samples.get('esp_batch_records_count')).toBe(2);
    expect(samples.get('esp_batch_duration_seconds_bucket{le="0.01"}')).toBe(1);
  });

  it('tells the latency of events from the batches’ own histograms', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('batch.committed', {
      ...batch,
      latencies: [
        [bucketOf(4), 1_000],
        [bucketOf(800), 20],
        [bucketOf(0), 5],
      ],
    });
    const samples = await scrape();
    expect(samples.get('esp_event_latency_seconds_count')).toBe(1_025);
    expect(samples.get('esp_event_latency_seconds_bucket{le="0.001"}')).toBe(5);
    expect(samples.get('esp_event_latency_seconds_bucket{le="0.005"}')).toBe(1_005);
    expect(samples.get('esp_event_latency_seconds_bucket{le="1"}')).toBe(1_025);
    const sum = samples.get('esp_event_latency_seconds_sum') ?? 0;
    expect(Math.abs(sum - 20) / 20).toBeLessThan(0.011);
  });

  it('counts what was sent in by what came of it', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('ingest.appended', { events: 6, late: 1, bytes: 500, durationMs: 1 });
    telemetry.emit('ingest.refused', { code: 'queue_full', events: 2 });
    telemetry.emit('ingest.rejected', { code: 'invalid_event', events: 1 });
    const samples = await scrape();
    expect(samples.get('esp_ingest_events_total{result="accepted"}')).toBe(5);
    expect(samples.get('esp_ingest_events_total{result="refused"}')).toBe(2);
    expect(samples.get('esp_ingest_events_total{result="rejected"}')).toBe(1);
    expect(samples.get('esp_ingest_events_total{result="unconfirmed"}')).toBe(0);
    expect(samples.get('esp_ingest_appended_bytes_total')).toBe(500);
  });

  it('follows partitions as they pause, halt and come back', async () => {
    const { telemetry, scrape } = setUp();
    const states = async () => {
      const samples = await scrape();
      return [samples.get('esp_partitions_paused'), samples.get('esp_partitions_halted')];
    };
    expect(await states()).toEqual([0, 0]);
    telemetry.emit('partition.paused', { partition: 1, reason: 'store_busy', retryInMs: 10, attempt: 1 });
    telemetry.emit('partition.paused', { partition: 1, reason: 'store_busy', retryInMs: 20, attempt: 2 });
    telemetry.emit('partition.paused', { partition: 2, reason: 'store_busy', retryInMs: 10, attempt: 1 });
    expect(await states()).toEqual([2, 0]);
    telemetry.emit('partition.resumed', { partition: 1 });
    telemetry.emit('partition.halted', { partition: 2, reason: 'bug', message: 'no' });
    expect(await states()).toEqual([0, 1]);
    telemetry.emit('partition.claimed', { partition: 2, ownerEpoch: 2, nextOffset: 0 });
    expect(await states()).toEqual([0, 0]);
  });
});

describe('what is read at the scrape', () => {
  it('is shown', async () => {
    const { scrape } = setUp({
      queue: () => ({ records: 3, bytes: 300 }),
      ledger: async () => ({ inFlight: 7, openInInbox: 2, lost: 4, balanced: false }),
      lagSeconds: async () => 1.5,
      freeDiskBytes: () => 1_000_000,
    });
    const samples = await scrape();
    expect(samples.get('esp_ingest_queue_records')).toBe(3);
    expect(samples.get('esp_ingest_queue_bytes')).toBe(300);
    expect(samples.get('esp_lag_records')).toBe(7);
    expect(samples.get('esp_inbox_open')).toBe(2);
    expect(samples.get('esp_lost_records')).toBe(4);
    expect(samples.get('esp_ledger_unbalanced')).toBe(1);
    expect(samples.get('esp_lag_seconds')).toBe(1.5);
    expect(samples.get('esp_free_disk_bytes')).toBe(1_000_000);
  });

  it('never fails the scrape: what can’t be read, or not in time, is left out and counted', async () => {
    let isAway = false;
    const { scrape } = setUp({
      queue: () => ({ records: 3, bytes: 300 }),
      ledger: async () => {
        if (isAway) throw new Error('away');
        return { inFlight: 7, openInInbox: 2, lost: 0, balanced: true };
      },
      lagSeconds: () => (isAway ? new Promise<number>(() => undefined) : Promise.resolve(1)),
      freeDiskBytes: () => {
        if (isAway) throw new Error('no such directory');
        return 1;
      },
    });
    expect((await scrape()).get('esp_lag_records')).toBe(7);
    isAway = true;
    const samples = await scrape();
    for (const name of [
      'esp_lag_records',
      'esp_inbox_open',
      'esp_lost_records',
      'esp_ledger_unbalanced',
      'esp_lag_seconds',
      'esp_free_disk_bytes',
    ]) {
      expect(samples.has(name), name).toBe(false);
    }
    expect(samples.get('esp_ingest_queue_records')).toBe(3);
    expect(samples.get('esp_scrape_errors_total{source="ledger"}')).toBe(1);
    expect(samples.get('esp_scrape_errors_total{source="lag"}')).toBe(1);
    isAway = false;
    expect((await scrape()).get('esp_lag_records')).toBe(7);
  });

  it('shows the process and its event loop', async () => {
    const samples = await setUp().scrape();
    expect(samples.get('esp_process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
    expect(samples.has('esp_nodejs_eventloop_lag_p99_seconds')).toBe(true);
  });
});

it('a process is overloaded while one of its threads is', async () => {
  const { telemetry, scrape } = setUp();
  const overloaded = async () => (await scrape()).get('esp_overloaded');
  expect(await overloaded()).toBe(0);
  for (const from of [{}, { thread: 'http 1' }, { thread: 'http 2' }])
    telemetry.emit('overload.began', { underWayMax: 1, ...from });
  telemetry.emit('overload.ended', { underWayMax: 1 });
  telemetry.emit('http_thread.ended', { thread: 'http 1', message: 'broken' });
  expect(await overloaded()).toBe(1);
  telemetry.emit('overload.ended', { underWayMax: 1, thread: 'http 2' });
  expect(await overloaded()).toBe(0);
});

describe('parts that are servers of their own', () => {
  it('show whether they answer, and how often they did not', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('part.waiting', { part: 'store', reason: 'away', retryInMs: 1, attempt: 0 });
    telemetry.emit('part.away', { part: 'metrics', reason: 'away' });
    let samples = await scrape();
    expect(samples.get('esp_part_up{part="store"}')).toBe(0);
    expect(samples.get('esp_part_up{part="metrics"}')).toBe(0);
    expect(samples.get('esp_part_up{part="log"}')).toBeUndefined();
    telemetry.emit('part.opened', { part: 'store', waitedMs: 1 });
    telemetry.emit('part.back', { part: 'metrics', awayMs: 1 });
    samples = await scrape();
    expect(samples.get('esp_part_up{part="store"}')).toBe(1);
    expect(samples.get('esp_part_up{part="metrics"}')).toBe(1);
    expect(samples.get('esp_part_outages_total{part="metrics"}')).toBe(1);
  });

  it('are up once every thread that waits for one has it, or has ended', async () => {
    const { telemetry, scrape } = setUp();
    const up = async () => (await scrape()).get('esp_part_up{part="store"}');
    const waiting = { part: 'store', reason: 'away', retryInMs: 1, attempt: 0 } as const;
    telemetry.emit('part.waiting', waiting);
    telemetry.emit('part.waiting', { ...waiting, thread: 'http 1' });
    telemetry.emit('part.waiting', { ...waiting, thread: 'http 2' });
    telemetry.emit('part.opened', { part: 'store', waitedMs: 1 });
    telemetry.emit('part.opened', { part: 'store', waitedMs: 1, thread: 'http 2' });
    expect(await up()).toBe(0);
    telemetry.emit('http_thread.ended', { thread: 'http 1', message: 'broken' });
    expect(await up()).toBe(1);
    expect((await scrape()).get('esp_http_thread_ends_total')).toBe(1);
  });

  it('are down while the watch finds them away, whatever threads wait for', async () => {
    const { telemetry, scrape } = setUp();
    const up = async () => (await scrape()).get('esp_part_up{part="store"}');
    const waiting = { part: 'store', reason: 'away', retryInMs: 1, attempt: 0, thread: 'http 1' } as const;
    const opened = { part: 'store', waitedMs: 1, thread: 'http 1' } as const;
    telemetry.emit('part.waiting', waiting);
    telemetry.emit('part.away', { part: 'store', reason: 'away' });
    telemetry.emit('part.opened', opened);
    expect(await up()).toBe(0);
    telemetry.emit('part.waiting', waiting);
    telemetry.emit('part.back', { part: 'store', awayMs: 1 });
    expect(await up()).toBe(0);
    telemetry.emit('part.opened', opened);
    expect(await up()).toBe(1);
    telemetry.emit('part.waiting', { ...waiting, thread: 'worker' });
    telemetry.emit('worker.ended', { message: 'broken' });
    expect(await up()).toBe(1);
  });

  it('show that the log was replaced, and that it was recognised', async () => {
    const { telemetry, scrape } = setUp();
    expect((await scrape()).get('esp_log_replaced')).toBe(0);
    telemetry.emit('log.replaced', { message: 'another' });
    expect((await scrape()).get('esp_log_replaced')).toBe(1);
    telemetry.emit('log.recognised', { logId: 'a' });
    expect((await scrape()).get('esp_log_replaced')).toBe(0);
  });

  it('show that the clock is too far ahead to be followed', async () => {
    const { telemetry, scrape } = setUp();
    expect((await scrape()).get('esp_clock_ahead')).toBe(0);
    telemetry.emit('clock.ahead', { aheadMs: 9e9, followedInMs: 1 });
    expect((await scrape()).get('esp_clock_ahead')).toBe(1);
    telemetry.emit('clock.followed', {});
    expect((await scrape()).get('esp_clock_ahead')).toBe(0);
  });

  it('show what a worker was given, and forget what was paused of it when that is over', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('group.joined', { group: 'esp', generation: 1, partitions: [0, 1, 2] });
    telemetry.emit('partition.paused', { partition: 1, reason: 'away', retryInMs: 1, attempt: 0 });
    telemetry.emit('worker.paused', { reason: 'confirm: away', retryInMs: 1, attempt: 0 });
    let samples = await scrape();
    expect(samples.get('esp_group_partitions')).toBe(3);
    expect(samples.get('esp_partitions_paused')).toBe(1);
    telemetry.emit('group.ended', { group: 'esp', reason: 'rebalance' });
    samples = await scrape();
    expect(samples.get('esp_group_partitions')).toBe(0);
    expect(samples.get('esp_partitions_paused')).toBe(0);
    expect(samples.get('esp_group_joins_total')).toBe(1);
  });

  it('show what is halted as long as the worker has it', async () => {
    const { telemetry, scrape } = setUp();
    const halted = async () => (await scrape()).get('esp_partitions_halted');
    telemetry.emit('group.joined', { group: 'esp', generation: 1, partitions: [0, 1] });
    telemetry.emit('partition.halted', { partition: 0, reason: 'bug', message: 'no' });
    telemetry.emit('partition.halted', { partition: 1, reason: 'log_replaced', message: 'no' });
    telemetry.emit('group.ended', { group: 'esp', reason: 'rebalance' });
    telemetry.emit('group.joined', { group: 'esp', generation: 2, partitions: [0] });
    expect(await halted()).toBe(1);
    telemetry.emit('group.ended', { group: 'esp', reason: 'rebalance' });
    telemetry.emit('group.joined', { group: 'esp', generation: 3, partitions: [] });
    expect(await halted()).toBe(0);
  });

  it('show that the worker’s thread ended, and nothing of what the lost thread had', async () => {
    const { telemetry, scrape } = setUp();
    expect((await scrape()).get('esp_worker_ends_total')).toBe(0);
    telemetry.emit('group.joined', { group: 'esp', generation: 1, partitions: [0, 1] });
    telemetry.emit('partition.paused', { partition: 0, reason: 'away', retryInMs: 1, attempt: 0 });
    telemetry.emit('partition.halted', { partition: 1, reason: 'bug', message: 'no' });
    telemetry.emit('worker.ended', { message: 'no' });
    const samples = await scrape();
    expect(samples.get('esp_worker_ends_total')).toBe(1);
    for (const name of ['esp_partitions_paused', 'esp_partitions_halted', 'esp_group_partitions']) {
      expect(samples.get(name), name).toBe(0);
    }
  });

  it('count failed events that were published, and tries that were refused', async () => {
    const { telemetry, scrape } = setUp();
    telemetry.emit('failed.published', { partition: 0, count: 3 });
    telemetry.emit('failed.unpublished', { partition: 0, reason: 'away', retryInMs: 1, attempt: 0 });
    const samples = await scrape();
    expect(samples.get('esp_failed_published_total')).toBe(3);
    expect(samples.get('esp_failed_publish_retries_total')).toBe(1);
  });
});
