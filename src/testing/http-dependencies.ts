import type { DuplicateRecord, StoredEvent } from '../domain/event.ts';
import { type InboxEntry, inboxId, storeConsumer } from '../domain/inbox.ts';
import type { EventQuery, InboxQuery, Job } from '../event-store/event-store.ts';
import type { HttpDependencies, Operations, RedriveRequest } from '../http/dependencies.ts';
import type {
  MetricsChange,
  MetricsReading,
  MetricsStore,
  MetricsWindow,
  RecentEvent,
} from '../metrics-store/metrics-store.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

/** The ports behind the HTTP app, over plain arrays that a test fills, and a note of what the app asked of them. */
export function createHttpDependencies(overrides: Partial<HttpDependencies> = {}) {
  const state = {
    events: [] as StoredEvent[],
    duplicates: [] as DuplicateRecord[],
    inbox: [] as InboxEntry[],
    jobs: new Map<string, Job>(),
    /** Inbox id → job. */
    claims: new Map<string, string>(),
    eventQueries: [] as EventQuery[],
    inboxQueries: [] as InboxQuery[],
    redrives: [] as RedriveRequest[],
    ready: { ready: true, reasons: [] } as ReturnType<HttpDependencies['readiness']>,
    isStopping: false,
    ledgerReads: 0,
    verifications: 0,
    metrics: createMetricsDouble(),
  };
  const telemetry = createTelemetry();
  const dependencies: HttpDependencies = {
    ingest: {
      submit: () => Promise.reject(new Error('nothing is sent in this test')),
      queue: () => ({ records: 0, bytes: 0 }),
      drain: () => Promise.resolve(),
    },
    store: storeOver(state),
    metrics: state.metrics.store,
    operations: operationsOver(state),
    telemetry,
    prometheus: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'esp_up 1\n' }),
    readiness: () => state.ready,
    isStopping: () => state.isStopping,
    options: {
      version: '1.2.3',
      allowedHosts: ['esp.example'],
      allowedOrigins: ['https://events.example', 'http://localhost:5173'],
      dashboardDir: null,
    },
    ...overrides,
  };
  return { dependencies, state, telemetry };
}

type State = ReturnType<typeof createHttpDependencies>['state'];

function unused(): never {
  throw new Error('the HTTP app has no business with this');
}

function storeOver(state: State): HttpDependencies['store'] {
  return {
    progress: unused,
    ledger: unused,
    partitionMetrics: unused,
    outcomesOf: unused,
    verify: unused,
    adoptLog: unused,
    event: async (id) => state.events.find((event) => event.id === id) ?? null,
    duplicatesOf: async (id) => state.duplicates.filter((duplicate) => duplicate.eventId === id),
    async events(query) {
      state.eventQueries.push(query);
      if (query.cursor === 'broken') throw new RangeError('not a cursor');
      const found = state.events.filter(
        (event) =>
          (query.eventType === undefined || event.eventType === query.eventType) &&
          (query.source === undefined || event.source === query.source),
      );
      return { items: found.slice(0, query.limit), nextCursor: found.length > query.limit ? 'next' : null };
    },
    inboxEntry: async (id) => state.inbox.find((entry) => entry.id === id) ?? null,
    async inboxEntries(query) {
      state.inboxQueries.push(query);
      if (query.cursor === 'broken') throw new RangeError('not a cursor');
      const found = state.inbox.filter(
        (entry) =>
          (query.state === undefined || entry.state === query.state) &&
          (query.eventId === undefined || entry.eventId === query.eventId),
      );
      return { items: found.slice(0, query.limit), nextCursor: null };
    },
    job: async (id) => state.jobs.get(id) ?? null,
    claimsOf: async (ids) => new Map([...state.claims].filter(([id]) => ids.includes(id))),
    async discard(ids, now) {
      const open = state.inbox.filter(
        (entry) => ids.includes(entry.id) && entry.state === 'open' && !state.claims.has(entry.id),
      );
      state.inbox = state.inbox.map((entry) =>
        open.includes(entry)
          ? { ...entry, state: 'discarded', resolution: { kind: 'discarded' }, settledAt: now }
          : entry,
      );
      return open.map(({ id }) => id);
    },
  };
}

function operationsOver(state: State): Operations {
  return {
    async ledger() {
      state.ledgerReads += 1;
      const outcomes = { stored: 5, duplicate: 2, failed: 1, lost: 0, skipped: 0 };
      const entry = {
        logNo: 1,
        partition: 3,
        base: 0,
        nextOffset: 8,
        logEnd: 10,
        inFlight: 2,
        pruned: 0,
        balanced: true,
      };
      return {
        ...outcomes,
        appended: 10,
        inFlight: 2,
        pruned: 0,
        openInInbox: 1,
        balanced: true,
        asOf: 1_700_000_000_000,
        partitions: [{ ...entry, ...outcomes }],
        halted: new Map([[3, 'the log was replaced']]),
      };
    },
    lagSeconds: async () => 1.2345,
    waitForOutcomes: unused,
    async redrive(request) {
      state.redrives.push(request);
      const selected = state.inbox.filter(
        (entry) =>
          entry.state === 'open' && (request.select.kind === 'filter' || request.select.ids.includes(entry.id)),
      );
      const open = selected.filter(({ id }) => !state.claims.has(id));
      const job = request.dryRun || open.length === 0 ? null : makeJob({ total: open.length });
      if (job) state.jobs.set(job.id, job);
      const asked = request.select.kind === 'ids' ? request.select.ids.length : selected.length;
      const taken = selected.length - open.length;
      return { job, matched: open.length, skipped: asked - open.length, taken };
    },
    async verify() {
      state.verifications += 1;
      return [{ code: 'rows', message: 'partition 3: 4 rows, 5 counted' }];
    },
    rebuildMetrics: async () => 8,
  };
}

function createMetricsDouble() {
  const listeners = new Set<(change: MetricsChange) => void>();
  const double = {
    total: 100,
    reads: 0,
    recent: [] as RecentEvent[],
    failing: null as Error | null,
    /** Null: one type has them all. */
    byType: null as MetricsReading['byType'] | null,
    subscribers: () => listeners.size,
    /** As the store does after a batch: the totals move, then the listeners hear of its newest events. */
    add(recent: readonly RecentEvent[], count = recent.length) {
      double.total += count;
      const watermark = { logNo: 1, nextOffset: double.total, commitToken: 'token' };
      for (const listener of listeners) listener({ partition: 0, watermark, recent });
    },
    store: {
      apply: unused,
      watermark: unused,
      rebuild: unused,
      readPartition: unused,
      close: unused,
      async read(window: MetricsWindow): Promise<MetricsReading> {
        double.reads += 1;
        if (double.failing) throw double.failing;
        return makeReading(window, double.total, double.byType);
      },
      recent: async (limit: number): Promise<readonly RecentEvent[]> => double.recent.slice(0, limit),
      subscribe(listener: (change: MetricsChange) => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    } satisfies MetricsStore,
  };
  return double;
}

function makeReading(window: MetricsWindow, total: number, byType: MetricsReading['byType'] | null): MetricsReading {
  const none = { p50: null, p95: null, p99: null };
  byType ??= [{ eventType: 'order.created', count: total }];
  return {
    total,
    duplicates: 2,
    failed: 1,
    byType,
    ratePerSecond: 3.3333,
    latencyMs: { p50: 1.006, p95: 10, p99: 99.999 },
    stepMs: window === '5m' || window === '15m' ? 10_000 : 60_000,
    series: [
      { at: 1_700_000_000_000, count: total, p50: 1, p95: 2, p99: 3 },
      { at: 1_700_000_010_000, count: 0, ...none },
    ],
    allTime: { total, duplicates: 2, failed: 1, byType },
    clockSkewed: 0,
  };
}

export function makeEvent(given: Partial<StoredEvent> = {}): StoredEvent {
  return {
    id: '018f0000-0000-7000-8000-000000000001',
    eventType: 'order.created',
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt: 1_700_000_000_000,
    redriveOf: null,
    payloadJson: '{"total":10}',
    position: { logNo: 1, partition: 3, offset: 7 },
    storedAt: 1_700_000_000_042,
    contentHash: '0'.repeat(32),
    countedAs: 'order.created',
    ...given,
  };
}

export function makeInboxEntry(given: Partial<InboxEntry> = {}): InboxEntry {
  const position = given.position ?? { logNo: 1, partition: 3, offset: 9 };
  return {
    id: inboxId(storeConsumer, position),
    consumer: storeConsumer,
    position,
    state: 'open',
    code: 'conflict',
    message: 'another event has this id',
    attempt: 1,
    eventId: '018f0000-0000-7000-8000-000000000001',
    eventType: 'order.created',
    key: null,
    value: Buffer.from('{"id":"018f0000-0000-7000-8000-000000000001"}'),
    receivedAt: 1_700_000_001_000,
    failedAt: 1_700_000_001_010,
    countedAs: 'order.created',
    jobId: null,
    resolution: null,
    settledAt: null,
    ...given,
  };
}

export function makeJob(given: Partial<Job> = {}): Job {
  return {
    id: 'job-1',
    kind: 'redrive',
    state: 'running',
    total: 1,
    done: 0,
    failed: 0,
    message: null,
    createdAt: 1_700_000_002_000,
    updatedAt: 1_700_000_002_000,
    ...given,
  };
}
