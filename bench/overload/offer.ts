import { type Connection, openConnection, sendUntil } from '../load/connection.ts';
import { buildRequests } from '../load/requests.ts';
import { createTally, type LoadResult } from '../load/tally.ts';

export interface OfferPlan {
  readonly port: number;
  /**
   * Each has one connection, and one request under way on it at most; refused, it sends nothing for as long as
   * `retry-after` says.
   */
  readonly clients: number;
  readonly seconds: number;
  /** Of all clients together: by the clock, whatever becomes of them, or so many under way all the time. */
  readonly offered: { readonly requestsPerSecond: number } | { readonly underWay: number };
  readonly idsFile: string | null;
}

export interface OfferResult {
  /** Of what was taken; `latencyMs` counts from sending. */
  readonly accepted: LoadResult;
  /** Requests that were due. */
  readonly due: number;
  readonly sent: number;
  readonly refused: number;
  /** Null where nobody was refused. */
  readonly refusedLatencyMs: LoadResult['latencyMs'] | null;
  /** Of the refused: 503 without a `retry-after`. */
  readonly withoutRetryAfter: number;
  /** Answers that are neither 202 nor 503, by status and how they began. */
  readonly others: Readonly<Record<string, number>>;
  /** Due while every client waited, for an answer or for the end of its retry-after: not sent, and not made up for. */
  readonly heldBack: number;
  readonly cpuSeconds: number;
}

const retryAfter = /\r\nretry-after: *(\d+)/i;
/** Sockets are opened so many at a time: a listener's backlog is finite. */
const openedAtOnce = 100;

/**
 * An open loop: requests are due by the clock, and one that is due is sent by any client that is free. Nobody waits for
 * the server to be able to; whoever is free then sends at the moment it is due, so latency may count from there. With a
 * number under way it is a closed one, in which clients take turns: whoever has waited longest sends as soon as fewer
 * than that are under way.
 */
export async function offer(plan: OfferPlan): Promise<OfferResult> {
  const { clients, offered } = plan;
  const requests = buildRequests({ eventsPerRequest: 1, form: 'json' });
  const accepted = createTally(1);
  const refused = createTally(1);
  const others: Record<string, number> = {};
  const over = Promise.withResolvers<void>();
  const connections: Connection[] = [];
  const free = createRing(clients);
  const sentAt = new Float64Array(clients);
  /** Clients that were refused, in the order in which they may send again. */
  const waiting: { readonly client: number; readonly until: number }[] = [];
  let firstWaiting = 0;
  let [due, sent, inFlight, heldBack, refusals, withoutRetryAfter] = [0, 0, 0, 0, 0, 0];
  let deadline = Number.POSITIVE_INFINITY;

  function onAnswer(client: number, status: number, bodyStart: string, head: string): void {
    const now = performance.now();
    const tookMs = now - sentAt[client]!;
    inFlight -= 1;
    if (status === 503) {
      refusals += 1;
      refused.add(status, bodyStart, tookMs, now <= deadline ? 1 : 0);
      const seconds = retryAfter.exec(head)?.[1];
      if (seconds === undefined) withoutRetryAfter += 1;
      waiting.push({ client, until: now + Number(seconds ?? 0) * 1_000 });
      return;
    }
    if (status === 202) accepted.add(status, bodyStart, tookMs, now <= deadline ? 1 : 0);
    else others[`${status} ${bodyStart}`] = (others[`${status} ${bodyStart}`] ?? 0) + 1;
    free.push(client);
    if ('underWay' in offered) sendInTurn(offered.underWay, now);
  }

  function sendInTurn(underWay: number, now: number): void {
    while (inFlight < underWay && now < deadline) {
      const client = free.shift();
      if (client === null) return;
      due += 1;
      send(client, now);
    }
  }

  function send(client: number, now: number): void {
    sentAt[client] = now;
    inFlight += 1;
    connections[client]!.send(requests[sent++ % requests.length]!);
  }

  for (let index = 0; index < clients; ) {
    const some = Array.from({ length: Math.min(openedAtOnce, clients - index) }, (_, nth) => {
      const client = index + nth;
      const answer = (status: number, start: string, head: string) => onAnswer(client, status, start, head);
      return openConnection(plan.port, answer, over.reject);
    });
    connections.push(...(await Promise.all(some)));
    index += some.length;
  }
  for (let client = 0; client < clients; client += 1) free.push(client);

  const startedAt = performance.now();
  deadline = startedAt + plan.seconds * 1000;
  const sendDue = () => {
    const now = performance.now();
    while (firstWaiting < waiting.length && waiting[firstWaiting]!.until <= now) {
      free.push(waiting[firstWaiting++]!.client);
    }
    if ('underWay' in offered) sendInTurn(offered.underWay, now);
    else {
      const dueNow = Math.floor(((Math.min(now, deadline) - startedAt) / 1000) * offered.requestsPerSecond);
      for (; due < dueNow; due += 1) {
        const client = free.shift();
        if (client === null) heldBack += 1;
        else send(client, performance.now());
      }
    }
    if (now >= deadline && inFlight === 0) over.resolve();
  };
  const cpuSeconds = await sendUntil(over.promise, connections, sendDue);
  return {
    accepted: accepted.result(plan.seconds, cpuSeconds, plan.idsFile),
    due,
    sent,
    refused: refusals,
    refusedLatencyMs: refusals === 0 ? null : refused.result(plan.seconds, cpuSeconds, null).latencyMs,
    withoutRetryAfter,
    others,
    heldBack,
    cpuSeconds,
  };
}

/** Who is free, the longest first. */
function createRing(size: number) {
  const places = new Uint32Array(size);
  let first = 0;
  let length = 0;
  return {
    push(value: number): void {
      places[(first + length) % size] = value;
      length += 1;
    },
    shift(): number | null {
      if (length === 0) return null;
      const value = places[first]!;
      first = (first + 1) % size;
      length -= 1;
      return value;
    },
  };
}
