import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { middleOf } from '../domain/histogram.ts';
import { createCountedHistogram, type HistogramSeries } from './counted-histogram.ts';
import { type Telemetry, workerThread } from './telemetry.ts';

/** Numbers that nobody announces: they are read when Prometheus asks. */
export interface PrometheusGauges {
  /** What waits in the ingest queue. */
  readonly queue?: () => QueueSize | Promise<QueueSize>;
  readonly ledger?: () => Promise<{
    readonly inFlight: number;
    readonly openInInbox: number;
    readonly lost: number;
    readonly balanced: boolean;
    readonly halted?: ReadonlyMap<number, unknown>;
  }>;
  readonly lagSeconds?: () => Promise<number>;
  readonly freeDiskBytes?: () => number | null;
}

interface QueueSize {
  readonly records: number;
  readonly bytes: number;
}

export interface PrometheusOptions {
  readonly telemetry: Telemetry;
  /** How long a scrape waits for what it reads. */
  readonly readTimeoutMs?: number;
}

export interface Prometheus {
  /** Gauges that are read at each scrape from then on. Without it there are none. */
  readFrom(gauges: PrometheusGauges): void;
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Forgets every metric. Listeners stay, and count for nobody. */
  close(): void;
}

/** Below Prometheus' own scrape timeout of 10 s, with room for the rest of the scrape. */
const readTimeoutDefaultMs = 3_000;

/** Which does not say its name. */
const mainThread = 'main';

/** Seconds: from a disk's flush to the longest pause that a client would sit through. */
const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const latencyBounds = [...durationBounds, 60, 300, 1_800];

/**
 * Prometheus exposition of everything that telemetry tells, and of gauges that are read at the scrape. What can't be
 * read is left out and counted: a scrape never fails because a store is away, since that is when its other numbers
 * matter.
 */
export function createPrometheus({ telemetry, readTimeoutMs = readTimeoutDefaultMs }: PrometheusOptions): Prometheus {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'esp_' });
  const renderHistograms = [listenToRequests(registry, telemetry), listenToBatches(registry, telemetry)];
  listenToIngest(registry, telemetry);
  listenToPartitions(registry, telemetry);
  listenToParts(registry, telemetry);
  listenToClock(registry, telemetry);
  listenToRest(registry, telemetry);
  const readGauges = createGaugeReader(registry, readTimeoutMs);
  let gauges: PrometheusGauges = {};

  return {
    readFrom(sources) {
      gauges = sources;
    },
    async expose() {
      await readGauges(gauges);
      const histograms = renderHistograms.map((render) => render()).join('');
      return { contentType: registry.contentType, body: `${(await registry.metrics()).trimEnd()}\n${histograms}` };
    },
    close() {
      registry.clear();
    },
  };
}

function listenToRequests(registry: Registry, telemetry: Telemetry): () => string {
  const seconds = createCountedHistogram({
    name: 'esp_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its answer',
    labelNames: ['method', 'route', 'status_class'],
    bounds: durationBounds,
  });
  interface RequestSeries {
    readonly labels: { readonly method: string; readonly route: string; readonly status_class: string };
    readonly duration: HistogramSeries;
    count: number;
  }
  const series = new Map<string, RequestSeries>();
  new Counter({
    name: 'esp_http_requests_total',
    help: 'HTTP requests answered, by route and class of status',
    labelNames: ['method', 'route', 'status_class'],
    registers: [registry],
    // Counted in `series`, which is cheaper a request, and handed over at the scrape.
    collect() {
      this.reset();
      for (const { labels, count } of series.values()) this.inc(labels, count);
    },
  });
  telemetry.on('request.completed', ({ method, route, status, durationMs }) => {
    const statusClass = `${Math.floor(status / 100)}xx`;
    const key = `${method} ${route} ${statusClass}`;
    let entry = series.get(key);
    if (!entry) {
      const labels = { method, route, status_class: statusClass };
      entry = { labels, duration: seconds.series(method, route, statusClass), count: 0 };
      series.set(key, entry);
    }
    entry.count += 1;
    entry.duration.observe(durationMs / 1000);
  });
  return seconds.render;
}

const outcomes = ['stored', 'duplicate', 'failed', 'lost', 'skipped'] as const;

function listenToBatches(registry: Registry, telemetry: Telemetry): () => string {
  const records = counter(registry, 'esp_records_total', 'Records settled, by outcome', ['outcome']);
  for (const outcome of outcomes) records.inc({ outcome }, 0);
  const size = createCountedHistogram({
    name: 'esp_batch_records',
    help: 'Records of one store transaction',
    bounds: [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000],
  });
  const duration = createCountedHistogram({
    name: 'esp_batch_duration_seconds',
    help: 'Time of one store transaction, its retries included',
    bounds: durationBounds,
  });
  const latency = createCountedHistogram({
    name: 'esp_event_latency_seconds',
    help: 'Time from received to stored of each event, within 1 %',
    bounds: latencyBounds,
  });
  const [sizes, durations, latencies] = [size.series(), duration.series(), latency.series()];
  telemetry.on('batch.committed', (batch) => {
    for (const outcome of outcomes) if (batch[outcome] > 0) records.inc({ outcome }, batch[outcome]);
    sizes.observe(batch.records);
    durations.observe(batch.durationMs / 1000);
    for (const [bucket, count] of batch.latencies) latencies.observe(middleOf(bucket) / 1000, count);
  });
  return () => size.render() + duration.render() + latency.render();
}

function listenToIngest(registry: Registry, telemetry: Telemetry): void {
  const events = counter(registry, 'esp_ingest_events_total', 'Events sent in, by what their clients were told', [
    'result',
  ]);
  for (const result of ['accepted', 'refused', 'unconfirmed', 'rejected']) events.inc({ result }, 0);
  const bytes = counter(registry, 'esp_ingest_appended_bytes_total', 'Bytes of records appended to the log');
  telemetry.on('ingest.appended', (append) => {
    events.inc({ result: 'accepted' }, append.events - append.late);
    bytes.inc(append.bytes);
  });
  telemetry.on('ingest.refused', ({ events: count }) => events.inc({ result: 'refused' }, count));
  telemetry.on('ingest.unconfirmed', ({ events: count }) => events.inc({ result: 'unconfirmed' }, count));
  telemetry.on('ingest.rejected', ({ events: count }) => events.inc({ result: 'rejected' }, count));
}

function listenToPartitions(registry: Registry, telemetry: Telemetry): void {
  const paused = gauge(registry, 'esp_partitions_paused', 'Partitions that wait before they try again');
  const halted = gauge(registry, 'esp_partitions_halted', 'Partitions that stopped, for a bug or for the log');
  const fenced = counter(
    registry,
    'esp_partition_fences_total',
    'Times that a partition turned out to be another worker’s',
  );
  const pausedNow = new Set<number>();
  const haltedNow = new Set<number>();
  function show(): void {
    paused.set(pausedNow.size);
    halted.set(haltedNow.size);
  }
  show();
  telemetry.on('partition.paused', ({ partition }) => {
    pausedNow.add(partition);
    show();
  });
  telemetry.on('partition.halted', ({ partition }) => {
    pausedNow.delete(partition);
    haltedNow.add(partition);
    show();
  });
  telemetry.on('partition.resumed', ({ partition }) => {
    pausedNow.delete(partition);
    show();
  });
  telemetry.on('partition.claimed', ({ partition }) => {
    pausedNow.delete(partition);
    haltedNow.delete(partition);
    show();
  });
  telemetry.on('partition.fenced', () => fenced.inc());

  const owned = gauge(registry, 'esp_group_partitions', 'Partitions that the consumer group has given to this worker');
  const joins = counter(registry, 'esp_group_joins_total', 'Times that this worker was given partitions anew');
  telemetry.on('group.joined', ({ partitions }) => {
    owned.set(partitions.length);
    joins.inc();
    // Of the others tells whoever has them now. One that came back is halted as it was, and is not told of again.
    for (const partition of [...haltedNow]) if (!partitions.includes(partition)) haltedNow.delete(partition);
    show();
  });
  telemetry.on('group.ended', () => {
    owned.set(0);
    pausedNow.clear();
    show();
  });
  const ends = counter(registry, 'esp_worker_ends_total', 'Times that the worker’s thread ended by itself');
  telemetry.on('worker.ended', () => {
    ends.inc();
    // The next thread has, and tells of, its own.
    owned.set(0);
    pausedNow.clear();
    haltedNow.clear();
    show();
  });
}

/**
 * Log, store, metrics and failed topic, where they are servers of their own. A part shows once something was heard of
 * it.
 */
function listenToParts(registry: Registry, telemetry: Telemetry): void {
  const up = gauge(registry, 'esp_part_up', '1 while the part answers, 0 while it is waited for', ['part']);
  const outages = counter(registry, 'esp_part_outages_total', 'Times that a part stopped answering', ['part']);
  const replaced = gauge(registry, 'esp_log_replaced', '1 while the log is not the one that the store belongs to');
  replaced.set(0);
  /** Part → the threads that wait for it: each opens it for itself. */
  const waiting = new Map<string, Set<string>>();
  const away = new Set<string>();
  const show = (part: string) => up.set({ part }, away.has(part) || (waiting.get(part)?.size ?? 0) > 0 ? 0 : 1);
  function waitNoMore(part: string, thread: string): void {
    if (waiting.get(part)?.delete(thread)) show(part);
  }
  telemetry.on('part.waiting', ({ part, thread = mainThread }) => {
    waiting.set(part, (waiting.get(part) ?? new Set()).add(thread));
    show(part);
  });
  telemetry.on('part.opened', ({ part, thread = mainThread }) => waitNoMore(part, thread));
  const endThread = (thread: string) => {
    for (const part of waiting.keys()) waitNoMore(part, thread);
  };
  telemetry.on('http_thread.ended', ({ thread }) => endThread(thread));
  telemetry.on('worker.ended', () => endThread(workerThread));
  telemetry.on('part.away', ({ part }) => {
    away.add(part);
    show(part);
    outages.inc({ part });
  });
  telemetry.on('part.back', ({ part }) => {
    away.delete(part);
    show(part);
  });
  telemetry.on('log.replaced', () => replaced.set(1));
  telemetry.on('log.recognised', () => replaced.set(0));
}

/** Whether what is removed for its age goes by the clock as it stands. */
function listenToClock(registry: Registry, telemetry: Telemetry): void {
  const ahead = gauge(
    registry,
    'esp_clock_ahead',
    '1 while the clock is so far ahead that retention does not follow it',
  );
  ahead.set(0);
  telemetry.on('clock.ahead', () => ahead.set(1));
  telemetry.on('clock.followed', () => ahead.set(0));
}

function listenToRest(registry: Registry, telemetry: Telemetry): void {
  const inbox = counter(registry, 'esp_inbox_added_total', 'Records put into the inbox, by reason', ['reason']);
  const rebuilt = counter(registry, 'esp_metrics_rebuilds_total', 'Times that a partition’s metrics were made anew');
  const away = counter(registry, 'esp_metrics_unavailable_total', 'Updates that the metrics store did not take');
  const pruned = counter(registry, 'esp_pruned_rows_total', 'Rows removed by retention');
  const redriven = counter(registry, 'esp_redriven_events_total', 'Failed events sent through again');
  const failures = counter(registry, 'esp_http_request_failures_total', 'Requests that met a bug here');
  const published = counter(registry, 'esp_failed_published_total', 'Failed events put on their topic');
  const unpublished = counter(registry, 'esp_failed_publish_retries_total', 'Times that the topic did not take them');
  telemetry.on('failed.published', ({ count }) => published.inc(count));
  telemetry.on('failed.unpublished', () => unpublished.inc());
  telemetry.on('inbox.added', ({ code, count }) => inbox.inc({ reason: code }, count));
  telemetry.on('metrics.rebuilt', () => rebuilt.inc());
  telemetry.on('metrics.unavailable', () => away.inc());
  telemetry.on('maintenance.done', ({ prunedRows, prunedFailed }) => pruned.inc(prunedRows + prunedFailed));
  telemetry.on('redrive.finished', (job) => redriven.inc(job.redriven));
  telemetry.on('request.failed', () => failures.inc());
  const shed = counter(
    registry,
    'esp_http_requests_shed_total',
    'Requests refused unread since more came in than can be done',
  );
  const overloaded = gauge(
    registry,
    'esp_overloaded',
    '1 while more comes in than can be done, and what is too much is refused',
  );
  overloaded.set(0);
  telemetry.on('request.shed', () => shed.inc());
  const overloadedNow = new Set<string>();
  function calm(thread: string): void {
    overloadedNow.delete(thread);
    overloaded.set(overloadedNow.size > 0 ? 1 : 0);
  }
  telemetry.on('overload.began', ({ thread = mainThread }) => {
    overloadedNow.add(thread);
    overloaded.set(1);
  });
  telemetry.on('overload.ended', ({ thread = mainThread }) => calm(thread));
  const ends = counter(registry, 'esp_http_thread_ends_total', 'Times that a thread that serves HTTP ended by itself');
  telemetry.on('http_thread.ended', ({ thread }) => {
    ends.inc();
    calm(thread);
  });
}

function createGaugeReader(registry: Registry, readTimeoutMs: number): (gauges: PrometheusGauges) => Promise<void> {
  const queueRecords = gauge(registry, 'esp_ingest_queue_records', 'Records that wait for the log');
  const queueBytes = gauge(registry, 'esp_ingest_queue_bytes', 'Bytes that wait for the log');
  const lagRecords = gauge(registry, 'esp_lag_records', 'Records in the log that no batch has settled yet');
  const lagSeconds = gauge(registry, 'esp_lag_seconds', 'Age of the oldest record that waits; 0 where none does');
  const open = gauge(registry, 'esp_inbox_open', 'Failed events that are open or being redriven');
  // Counted since the first event: whoever looks at the counter of the worker that found them gone may look too late.
  const lost = gauge(
    registry,
    'esp_lost_records',
    'Records that left the log before they were read, or were given up as damaged',
  );
  const unbalanced = gauge(
    registry,
    'esp_ledger_unbalanced',
    '1 where the ledger does not add up: a bug, or a damaged store',
  );
  const freeDisk = gauge(registry, 'esp_free_disk_bytes', 'Free bytes where the data directory is');
  const errors = counter(registry, 'esp_scrape_errors_total', 'Numbers that a scrape could not read', ['source']);

  /** Shows what was read, or nothing at all where it could not be: an old number would be taken for a true one. */
  async function read<Value>(
    source: string,
    ask: (() => Value | Promise<Value>) | undefined,
    shown: readonly Gauge[],
    show: (value: Value) => void,
  ): Promise<void> {
    if (!ask) {
      // What this process does not know would stand there as 0.
      for (const each of shown) each.remove();
      return;
    }
    try {
      show(await within(readTimeoutMs, ask));
    } catch {
      for (const each of shown) each.remove();
      errors.inc({ source });
    }
  }

  return async (gauges) => {
    await Promise.all([
      read('queue', gauges.queue, [queueRecords, queueBytes], ({ records, bytes }) => {
        queueRecords.set(records);
        queueBytes.set(bytes);
      }),
      read('ledger', gauges.ledger, [lagRecords, open, lost, unbalanced], (ledger) => {
        lagRecords.set(ledger.inFlight);
        open.set(ledger.openInInbox);
        lost.set(ledger.lost);
        unbalanced.set(ledger.balanced ? 0 : 1);
      }),
      read('lag', gauges.lagSeconds, [lagSeconds], (seconds) => lagSeconds.set(seconds)),
      read('free_disk', gauges.freeDiskBytes, [freeDisk], (bytes) => {
        if (bytes === null) freeDisk.remove();
        else freeDisk.set(bytes);
      }),
    ]);
  };
}

async function within<Value>(timeoutMs: number, ask: () => Value | Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), timeoutMs);
  try {
    return await Promise.race([ask(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function counter(registry: Registry, name: string, help: string, labelNames: readonly string[] = []): Counter {
  return new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
}

function gauge(registry: Registry, name: string, help: string, labelNames: readonly string[] = []): Gauge {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}
