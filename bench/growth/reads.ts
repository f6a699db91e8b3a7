import { get } from 'node:http';
import type { EventPage, FailedEventPage } from '../../src/http/contract.ts';
import { metricsWindows } from '../../src/metrics-store/metrics-store.ts';
import type { Product } from '../parts/product.ts';
import { type Quantiles, quantilesOf } from '../parts/statistics.ts';
import { dayMs, filledJob, typeName } from './fill.ts';

/** One GET that the dashboard or a client asks. */
export interface Read {
  readonly name: string;
  readonly path: string;
}

export interface ReadTimes {
  readonly name: string;
  /** Milliseconds from asking to the last byte; of the live stream to the end of its first snapshot. */
  readonly few: Quantiles;
  readonly many: Quantiles;
  /** Of the answers: the same where the same was asked of both. */
  readonly fewBytes: number;
  readonly manyBytes: number;
}

/** Every read there is, each so that both sides answer as many rows. */
async function readsOf({ port }: Product): Promise<readonly Read[]> {
  const type = `event_type=${encodeURIComponent(typeName(7))}`;
  const older = `to=${new Date(Date.now() - 3 * dayMs).toISOString()}`;
  const newest = await fetchJson<EventPage>(port, '/api/events');
  const middle = await fetchJson<EventPage>(port, `/api/events?${older}`);
  const failed = await fetchJson<FailedEventPage>(port, '/api/failed-events');
  return [
    ...Object.keys(metricsWindows).map((window) => ({
      name: `metrics, ${window}`,
      path: `/api/metrics?window=${window}`,
    })),
    { name: 'ledger', path: '/api/ledger' },
    { name: 'live, first snapshot', path: '/api/live?window=15m' },
    { name: 'events, newest 100', path: '/api/events' },
    { name: 'events, the page after', path: `/api/events?cursor=${newest.next_cursor}` },
    { name: 'events of a time', path: `/api/events?${older}` },
    { name: 'events of a time, the page after', path: `/api/events?${older}&cursor=${middle.next_cursor}` },
    { name: 'events of a type', path: `/api/events?${type}&limit=3` },
    { name: 'events of a type and time', path: `/api/events?${type}&${older}&limit=3` },
    { name: 'events of a source, one in five', path: '/api/events?source=source-3' },
    { name: 'event by id', path: `/api/events/${middle.events[0]!.id}` },
    { name: "event by the client's id", path: `/api/events?id=${middle.events[0]!.id}` },
    { name: 'failed events, newest 100', path: '/api/failed-events' },
    { name: 'failed events, open', path: '/api/failed-events?state=open' },
    { name: 'failed events, settled', path: '/api/failed-events?state=discarded' },
    { name: 'failed events of a type', path: `/api/failed-events?${type}&limit=1` },
    { name: 'failed events of a reason', path: '/api/failed-events?reason=conflict' },
    { name: 'failed event by id', path: `/api/failed-events/${encodeURIComponent(failed.failed_events[0]!.id)}` },
    { name: 'job', path: `/api/jobs/${filledJob}` },
    { name: 'readiness', path: '/health/ready' },
    { name: 'Prometheus', path: '/metrics' },
  ];
}

/** Both sides in turn, one read at a time: few, many, few, many. */
export async function timeReads(few: Product, many: Product, rounds: number): Promise<readonly ReadTimes[]> {
  const [ofFew, ofMany] = [await readsOf(few), await readsOf(many)];
  const times: ReadTimes[] = [];
  for (const [index, read] of ofFew.entries()) {
    const sides = [
      { port: few.port, path: read.path, ms: [] as number[], bytes: 0 },
      { port: many.port, path: ofMany[index]!.path, ms: [] as number[], bytes: 0 },
    ];
    for (let round = -warmUps; round < rounds; round += 1) {
      for (const side of sides) {
        const startedAt = performance.now();
        side.bytes = await readWhole(side.port, side.path);
        if (round >= 0) side.ms.push(performance.now() - startedAt);
      }
    }
    const [one, other] = [sides[0]!, sides[1]!];
    times.push({
      name: read.name,
      few: quantilesOf(one.ms),
      many: quantilesOf(other.ms),
      fewBytes: one.bytes,
      manyBytes: other.bytes,
    });
  }
  return times;
}

const warmUps = 10;

async function fetchJson<Body>(port: number, path: string): Promise<Body> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Body;
}

/** @returns the bytes of the answer's body */
function readWhole(port: number, path: string): Promise<number> {
  const isLive = path.startsWith('/api/live');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = get({ host: '127.0.0.1', port, path }, (response) => {
    let bytes = 0;
    let tail = '';
    let isSnapshot = false;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (!isLive) return;
      tail = (tail + chunk.toString('latin1')).slice(-100_000);
      isSnapshot ||= tail.includes('event: snapshot');
      if (!isSnapshot || !tail.endsWith('\n\n')) return;
      resolve(bytes);
      request.destroy();
    });
    response.once('end', () =>
      response.statusCode === 200 ? resolve(bytes) : reject(new Error(`GET ${path} answered ${response.statusCode}`)),
    );
  });
  request.once('error', reject);
  return promise;
}
