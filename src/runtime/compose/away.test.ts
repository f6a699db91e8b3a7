// While every part is away, each address answers that it can't now, as a problem document; none answers that it has a
// bug.
import { describe, expect, it, onTestFinished } from 'vitest';
import { type UnavailableCode, UnavailableError } from '../../domain/failure.ts';
import type { EventLog } from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import { createHttpApp } from '../../http/app.ts';
import type { ProblemDocument, ReadinessView } from '../../http/contract.ts';
import { createIngest } from '../../ingest/ingest.ts';
import type { MetricsStore } from '../../metrics-store/metrics-store.ts';
import { pause } from '../../processing/pause.ts';
import { createRedrive } from '../../processing/redrive.ts';
import { createTelemetry, type PartName, type TelemetryEvents } from '../../telemetry/telemetry.ts';
import { machineClocks } from '../serve/machine-clocks.ts';
import { createOperations } from '../serve/operations.ts';
import { awayReasons, toReadiness } from '../serve/readiness.ts';
import { callsOf, openLate } from './late-part.ts';
import { lateIngest, lateLog, lateMetrics } from './late-server-parts.ts';

async function setUp() {
  const telemetry = createTelemetry();
  const failures: TelemetryEvents['request.failed'][] = [];
  telemetry.on('request.failed', (payload) => failures.push(payload));
  function away<Part>(name: PartName, code: UnavailableCode) {
    const late = openLate<Part>({
      name,
      open: async () => {
        throw new UnavailableError(code, `${name} does not answer`);
      },
      close: async () => undefined,
      telemetry,
      elapsed: () => performance.now(),
      random: () => 1,
      pause,
    });
    onTestFinished(() => late.close());
    return late;
  }
  const parts = {
    log: away<EventLog>('log', 'log_unreachable'),
    store: away<EventStore>('store', 'store_unavailable'),
    metrics: away<MetricsStore>('metrics', 'metrics_unavailable'),
  };
  await Promise.all(Object.values(parts).map(({ firstTry }) => firstTry));
  const [log, store, metrics] = [lateLog(parts.log), callsOf(parts.store), lateMetrics(parts.metrics)];
  const app = createHttpApp({
    ingest: lateIngest(parts.log, (open) => createIngest({ log: open, telemetry })),
    store,
    metrics,
    operations: createOperations({
      log,
      store,
      metrics,
      redrive: createRedrive({
        log,
        store,
        telemetry,
        ...machineClocks,
        assertOpen: () => undefined,
        random: () => 1,
        pause,
        newId: () => 'job-1',
      }),
      halted: () => new Map(),
      verify: () => store.verify('store'),
      ...machineClocks,
    }),
    telemetry,
    prometheus: async () => ({ contentType: 'text/plain', body: '' }),
    readiness: () => {
      const problems = Object.entries(parts).map(([name, part]) => [name as PartName, part.problem()] as const);
      return toReadiness(awayReasons(problems, new Map(), ['log']));
    },
    isStopping: () => false,
    options: { version: '0', allowedHosts: [], allowedOrigins: [], dashboardDir: null },
  });
  onTestFinished(() => app.close());
  return { app, failures };
}

const id = '018f0000-0000-7000-8000-000000000001';
const event = { event_type: 'a', payload: {} };

describe('while log, store and metrics are away', () => {
  it.each([
    ['POST', '/api/events', 'log_unavailable', event],
    ['POST', '/api/events?wait=stored', 'log_unavailable', [event, event]],
    ['GET', '/api/events', 'store_unavailable'],
    ['GET', '/api/events?source=s&id=i', 'store_unavailable'],
    ['GET', `/api/events/${id}`, 'store_unavailable'],
    ['GET', '/api/metrics', 'metrics_unavailable'],
    ['GET', '/api/ledger', 'store_unavailable'],
    ['GET', '/api/failed-events', 'store_unavailable'],
    ['GET', '/api/failed-events/store:1:0:0', 'store_unavailable'],
    ['POST', '/api/failed-events/store:1:0:0/redrive', 'store_unavailable'],
    ['POST', '/api/failed-events/store:1:0:0/discard', 'store_unavailable'],
    ['POST', '/api/failed-events/redrive', 'store_unavailable', { filter: {} }],
    ['POST', '/api/failed-events/redrive', 'store_unavailable', { ids: ['store:1:0:0'], dry_run: true }],
    ['GET', '/api/jobs/job-1', 'store_unavailable'],
    ['POST', '/api/verify', 'store_unavailable'],
    ['POST', '/api/metrics/rebuild', 'store_unavailable'],
  ] as const)('%s %s answers 503 %s', async (method, url, code, body?: object) => {
    const { app, failures } = await setUp();
    const answer = await app.inject({
      method,
      url,
      ...(body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    expect(answer.json<ProblemDocument>()).toMatchObject({ code, status: 503, retriable: true });
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['retry-after']).toBe('1');
    expect(failures).toEqual([]);
  });

  it('every address of the description is looked at here', async () => {
    const { app } = await setUp();
    const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, object> }>();
    const asked = Object.keys(paths).filter((path) => path.startsWith('/api/') && path !== '/api/live');
    expect(asked.sort()).toEqual([
      '/api/events',
      '/api/events/{id}',
      '/api/failed-events',
      '/api/failed-events/redrive',
      '/api/failed-events/{id}',
      '/api/failed-events/{id}/discard',
      '/api/failed-events/{id}/redrive',
      '/api/jobs/{id}',
      '/api/ledger',
      '/api/metrics',
      '/api/metrics/rebuild',
      '/api/verify',
    ]);
  });

  it('the process lives, and says of each part that it is away', async () => {
    const { app } = await setUp();
    expect((await app.inject('/health/live')).statusCode).toBe(200);
    expect((await app.inject('/metrics')).statusCode).toBe(200);
    const ready = await app.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    expect(ready.json<ReadinessView>().reasons).toEqual([
      { code: 'log_unavailable', message: 'log does not answer' },
      { code: 'store_unavailable', message: 'store does not answer' },
      { code: 'metrics_unavailable', message: 'metrics does not answer' },
    ]);
  });

  it('a live stream stays open, and says what is missing', async () => {
    const { app, failures } = await setUp();
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as { port: number };
    const abort = new AbortController();
    const response = await fetch(`http://127.0.0.1:${port}/api/live`, { signal: abort.signal });
    expect(response.status).toBe(200);
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('"metrics":null,"ledger":null,"readiness":') && text.includes('metrics_unavailable')) break;
    }
    abort.abort();
    expect(failures).toEqual([]);
  });
});
