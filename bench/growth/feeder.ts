/**
 * A process of its own that sends a number of events, every one of them different, and answers when all are accepted.
 */
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { sampleEvent } from '../load/sample-event.ts';
import { answerParent } from '../parts/child.ts';
import { typeName } from './fill.ts';

export interface FeedPlan {
  readonly port: number;
  readonly events: number;
  /** Null: those of the other measurements. */
  readonly types: number | null;
  /** Given in turn, so that the partitions are chosen; null: none. */
  readonly keys: readonly string[] | null;
  /** `client`: a random UUID (v4) with each event. */
  readonly ids: 'ingest' | 'client';
  /** Null: as fast as they are taken. */
  readonly eventsPerSecond: number | null;
}

const eventsPerRequest = 5_000;
const connections = 4;
/** How often a paced feed sends. */
const paceMs = 100;

answerParent(async (plan: FeedPlan) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const startedAt = performance.now();
  if (plan.eventsPerSecond === null) {
    let next = 0;
    const send = async () => {
      while (next < plan.events) {
        const from = next;
        next = Math.min(plan.events, from + eventsPerRequest);
        await post(agent, plan.port, linesOf(plan, from, next));
      }
    };
    await Promise.all(Array.from({ length: connections }, send));
  } else await sendPaced(agent, plan, plan.eventsPerSecond);
  agent.destroy();
  return { accepted: plan.events, seconds: (performance.now() - startedAt) / 1000 };
});

async function sendPaced(agent: Agent, plan: FeedPlan, eventsPerSecond: number): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < plan.events; ) {
    const due = Math.min(plan.events, Math.floor(((performance.now() - startedAt) / 1000) * eventsPerSecond));
    if (due > sent) await post(agent, plan.port, linesOf(plan, sent, due));
    sent = due;
    await new Promise((resolve) => setTimeout(resolve, paceMs));
  }
}

function linesOf({ types, keys, ids }: FeedPlan, from: number, to: number): string {
  let lines = '';
  for (let number = from; number < to; number += 1) {
    let event = sampleEvent(number);
    if (types !== null) event = event.replace(/"event_type":"[^"]+"/, `"event_type":"${typeName(number % types)}"`);
    const id = ids === 'client' ? `"id":"${randomUUID()}",` : '';
    const key = keys === null ? '' : `"key":"${keys[number % keys.length]}",`;
    lines += `{${id}${key}${event.slice(1)}\n`;
  }
  return lines;
}

/** Until it is accepted: an API that has too much waiting says when to come again. */
async function post(agent: Agent, port: number, body: string): Promise<void> {
  for (;;) {
    const { status, text } = await postOnce(agent, port, body);
    if (status === 202) return;
    if (status !== 503) throw new Error(`a feed was answered ${status}: ${text.slice(0, 300)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function postOnce(agent: Agent, port: number, body: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const headers = { 'content-type': 'application/x-ndjson', 'content-length': Buffer.byteLength(body) };
  const asked = request(
    { host: '127.0.0.1', port, path: '/api/events', method: 'POST', agent, headers },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode!, text }));
    },
  );
  asked.once('error', reject);
  asked.end(body);
  return promise;
}
