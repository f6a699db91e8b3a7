import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveSnapshot } from '../../src/http/contract.ts';

/** Milliseconds, one a probe. */
export interface ProbeResult {
  /** POST sent → the live snapshot that counts the event has arrived. */
  readonly dashboardMs: readonly number[];
  /** POST with ?wait=stored sent → its answer that says stored. */
  readonly storedMs: readonly number[];
  readonly accepted: number;
}

const dashboardProbes = 16;
const storedProbes = 4;

/**
 * Events of types of their own, sent beside the load and looked for in the live stream as a dashboard would. Each probe
 * waits a random time before its next event, so that it does not fall into step with the stream's ticks.
 */
export async function probe(port: number, seconds: number): Promise<ProbeResult> {
  const url = `http://127.0.0.1:${port}`;
  const dashboardMs: number[] = [];
  const storedMs: number[] = [];
  let accepted = 0;
  const stream = await openLive(port);
  const deadline = performance.now() + seconds * 1000;

  async function post(path: string, eventType: string): Promise<string> {
    const body = JSON.stringify({ event_type: eventType, payload: { note: 'a probe' } });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url + path, { method: 'POST', headers, body });
    const text = await response.text();
    if (!response.ok) throw new Error(`a probe was answered ${response.status}: ${text}`);
    accepted += 1;
    return text;
  }

  async function probeDashboard(index: number): Promise<void> {
    const eventType = `bench.probe.${index}`;
    for (let sent = stream.countOf(eventType) + 1; performance.now() < deadline; sent += 1) {
      await delay(Math.random() * 400);
      const sentAt = performance.now();
      await post('/api/events', eventType);
      const seenAt = await stream.seen(eventType, sent);
      dashboardMs.push(seenAt - sentAt);
    }
  }

  async function probeStored(): Promise<void> {
    while (performance.now() < deadline) {
      await delay(Math.random() * 100);
      const sentAt = performance.now();
      const answer = await post('/api/events?wait=stored', 'bench.wait');
      if (!answer.includes('"stored"')) throw new Error(`a probe was not stored: ${answer}`);
      storedMs.push(performance.now() - sentAt);
    }
  }

  try {
    await Promise.all([
      ...Array.from({ length: dashboardProbes }, (_, index) => probeDashboard(index)),
      ...Array.from({ length: storedProbes }, () => probeStored()),
    ]);
  } finally {
    stream.close();
  }
  return { dashboardMs, storedMs, accepted };
}

interface Wait {
  readonly eventType: string;
  readonly count: number;
  resolve(at: number): void;
  reject(error: Error): void;
}

/** Counts by type as the live stream tells them. */
export async function openLive(port: number) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let counts = new Map<string, number>();
  let waits: Wait[] = [];
  let isClosed = false;
  let buffered = '';
  const request = get({ host: '127.0.0.1', port, path: '/api/live?window=5m' }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const at = performance.now();
      const messages = (buffered + chunk).split('\n\n');
      buffered = messages.pop()!;
      for (const message of messages) take(message, at);
    });
    response.once('close', () => fail(new Error('the live stream ended')));
  });
  request.once('error', fail);

  function take(message: string, at: number): void {
    if (!message.startsWith('event: snapshot\n')) return;
    const data = message.slice(message.indexOf('data: ') + 6).replaceAll('\ndata: ', '\n');
    const { metrics } = JSON.parse(data) as LiveSnapshot;
    if (metrics === null) return;
    counts = new Map(metrics.all_time.by_type.map(({ event_type, count }) => [event_type, count]));
    resolve();
    const isSeen = ({ eventType, count }: Wait) => (counts.get(eventType) ?? 0) >= count;
    for (const wait of waits.filter(isSeen)) wait.resolve(at);
    waits = waits.filter((wait) => !isSeen(wait));
  }

  function fail(error: Error): void {
    if (isClosed) return;
    reject(error);
    for (const wait of waits) wait.reject(error);
  }

  await promise;
  return {
    countOf: (eventType: string) => counts.get(eventType) ?? 0,
    /** Resolves to when the first snapshot that counts so many arrived. */
    seen(eventType: string, count: number): Promise<number> {
      if ((counts.get(eventType) ?? 0) >= count) return Promise.resolve(performance.now());
      return new Promise((resolve, reject) => waits.push({ eventType, count, resolve, reject }));
    },
    close() {
      isClosed = true;
      request.destroy();
    },
  };
}
