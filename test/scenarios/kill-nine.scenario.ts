/**
 * Promise: every id that was answered 202 is stored exactly once, although the process is killed with -9 five times
 * while clients send 20,000 events; afterwards the ledger balances and the metrics tell exactly what is stored.
 */
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { EventResult, EventView, ManyReceipt } from '../../src/http/contract.ts';
import {
  createSeededRandom,
  createTempDir,
  expectEverythingAddsUp,
  type RunningServer,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

const eventsTotal = 20_000;
const kills = 5;

interface Outgoing {
  readonly n: number;
  /** Absent: the server makes one. */
  readonly id?: string;
  readonly source?: string;
}

type Format = 'single' | 'array' | 'ndjson';

/** What the clients know when all is sent. */
interface Knowledge {
  /** n → the id of its 202. */
  readonly answered: Map<number, string>;
  /** Sent without an id and never answered: stored or not, nobody can say. */
  readonly unknown: Set<number>;
  connectionsLost: number;
  resent: number;
}

it('stores everything that was answered 202 exactly once', async () => {
  const random = createSeededRandom();
  const dataDir = createTempDir('kill-nine');
  let running: Promise<RunningServer> = startServer({ dataDir });
  await running;

  const known: Knowledge = { answered: new Map(), unknown: new Set(), connectionsLost: 0, resent: 0 };
  const settledCount = () => known.answered.size + known.unknown.size;
  const queues = plan(random);
  const clients = queues.map((queue) => runClient(queue, known, () => running));

  for (let kill = 1; kill <= kills; kill += 1) {
    const at = Math.floor((eventsTotal * (kill - 0.3 + 0.6 * random())) / (kills + 1));
    await waitFor(`${at} events to be sent`, () => settledCount() >= at, { timeoutMs: 60_000, everyMs: 1 });
    const victim = await running;
    const next = Promise.withResolvers<RunningServer>();
    running = next.promise;
    expect(await victim.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    next.resolve(await startServer({ dataDir }));
  }
  await Promise.all(clients);

  expect(settledCount()).toBe(eventsTotal);
  expect(known.connectionsLost).toBeGreaterThan(0);
  const server = await running;
  const ledger = await expectEverythingAddsUp(server);
  const events = await storedEvents(server);
  expect(ledger).toMatchObject({ stored: events.length, failed: 0, skipped: 0 });
  // What was not appended twice cannot be a duplicate.
  expect(ledger.duplicate).toBeLessThanOrEqual(known.resent);

  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  const stored = new Map(events.map(({ id, payload }) => [(payload as { n: number }).n, id]));
  expect(stored.size).toBe(events.length);
  const missing = [...known.answered].filter(([n, id]) => stored.get(n) !== id);
  expect(missing).toEqual([]);
  const sent = new Map(queues.flatMap(({ requests }) => requests.flat().map((event) => [event.n, event])));
  expect(events.filter((event) => !isAsSent(event, sent))).toEqual([]);
});

/** Answered or not: what is there is what was sent. */
function isAsSent(event: EventView, sent: ReadonlyMap<number, Outgoing>): boolean {
  const { n } = event.payload as { n: number };
  const { id, source = null } = sent.get(n) ?? {};
  const isId = id === undefined || event.client_id === id || event.id === id;
  return sent.has(n) && event.event_type === typeOf(n) && event.source === source && isId;
}

const typeOf = (n: number) => `type.${n % 7}`;

/** A queue of requests for each client; every third event leaves its id to the server. */
function plan(random: () => number): { format: Format; requests: Outgoing[][] }[] {
  let n = 0;
  const makeEvent = (): Outgoing => {
    n += 1;
    if (n % 3 === 0) return { n };
    return n % 3 === 1 ? { n, id: randomUUID() } : { n, id: `order-${n}`, source: 'shop' };
  };
  const make = (count: number) => Array.from({ length: count }, makeEvent);
  const shares = [
    { format: 'single', clients: 6, events: 400, sizeMax: 1 },
    { format: 'array', clients: 4, events: 2_150, sizeMax: 60 },
    { format: 'ndjson', clients: 4, events: 2_250, sizeMax: 60 },
  ] as const;
  const queues = shares.flatMap(({ format, clients, events, sizeMax }) =>
    Array.from({ length: clients }, () => {
      const requests: Outgoing[][] = [];
      for (let left = events; left > 0; ) {
        const size = Math.min(left, 1 + Math.floor(random() * sizeMax));
        requests.push(make(size));
        left -= size;
      }
      return { format, requests };
    }),
  );
  expect(n).toBe(eventsTotal);
  return queues;
}

/** Sends one request after another, each until it has an answer; what has no id of its own is sent once. */
async function runClient(
  { format, requests }: { format: Format; requests: Outgoing[][] },
  known: Knowledge,
  current: () => Promise<RunningServer>,
): Promise<void> {
  for (const request of requests) {
    let left: Outgoing[] = request;
    while (left.length > 0) {
      const server = await current();
      const outcome = await post(server, format, left);
      if (outcome === 'not_sent') continue;
      if (outcome === 'lost') {
        known.connectionsLost += 1;
        for (const { n, id } of left) if (id === undefined) known.unknown.add(n);
        left = left.filter(({ id }) => id !== undefined);
        known.resent += left.length;
        continue;
      }
      left.forEach(({ n }, index) => {
        const result = outcome[index]!;
        if (result.status === 'accepted') known.answered.set(n, result.id);
      });
      // Not confirmed: sent again under the id that the answer gave, as the interface asks for.
      left = left.flatMap((event, index) => {
        const result = outcome[index]!;
        return result.status === 'retry' ? [{ ...event, id: result.id }] : [];
      });
      known.resent += left.length;
    }
  }
}

async function post(
  server: RunningServer,
  format: Format,
  events: readonly Outgoing[],
): Promise<'lost' | 'not_sent' | readonly EventResult[]> {
  const bodies = events.map(({ n, ...rest }) => JSON.stringify({ event_type: typeOf(n), ...rest, payload: { n } }));
  const body = { single: bodies[0]!, array: `[${bodies.join(',')}]`, ndjson: bodies.join('\n') }[format];
  const contentType = format === 'ndjson' ? 'application/x-ndjson' : 'application/json';
  try {
    const init = { method: 'POST', headers: { 'content-type': contentType }, body };
    const answer = await server.request<ManyReceipt | EventResult>('/api/events', init);
    if (answer.status === 202) return 'results' in answer.body ? answer.body.results : [answer.body];
    const { results } = answer.body as { results?: EventResult[] };
    if (answer.status === 503) return results ?? 'not_sent';
    throw new Error(`answered ${answer.status}: ${answer.text}`);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return wasRefused(error.cause) ? 'not_sent' : 'lost';
  }
}

/** No connection was made, so nothing can have arrived. */
function wasRefused(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}
