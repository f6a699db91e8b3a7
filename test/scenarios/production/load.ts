import { setInterval } from 'node:timers/promises';
import { expect } from 'vitest';
import type { LedgerView, ManyReceipt } from '../../../src/http/contract.ts';
import {
  type Answer,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  storedEvents,
  waitFor,
} from '../harness.ts';

/** How a batch is sent; straight to one server unless it says otherwise. */
export type SendBatch = (events: readonly object[]) => Promise<Answer<ManyReceipt>>;

/**
 * What well-behaved clients do: they send batches of events that can be told apart, remember the ids that were answered
 * 202, and send again, under the same ids, what was answered 503.
 */
export interface Load {
  /** Ids that were answered 202. */
  readonly accepted: ReadonlySet<string>;
  /** Batches that were answered 503 so far. */
  refused(): number;
  /** How long the slowest answer took since this was last asked. */
  slowestMs(): number;
  /** One batch, once. @returns the status */
  send(count?: number): Promise<number>;
  /** Clients send a batch at every beat until they are stopped; resolves once every batch was taken. */
  start(options?: { readonly clients?: number; readonly everyMs?: number; readonly batch?: number }): {
    stop(): Promise<void>;
  };
}

export function createLoad(sendBatch: SendBatch, makeOne: (n: number) => object = (n) => makeEvent(n)): Load {
  const accepted = new Set<string>();
  let next = 0;
  let refused = 0;
  let slowestMs = 0;

  const makeBatch = (count: number) => Array.from({ length: count }, () => makeOne(next++));

  async function sendOnce(events: readonly object[]): Promise<number> {
    const sentAt = performance.now();
    const answer = await sendBatch(events);
    slowestMs = Math.max(slowestMs, performance.now() - sentAt);
    // Some of a batch may be taken where the log confirmed only some of it.
    for (const result of answer.body.results ?? []) if (result.status === 'accepted') accepted.add(result.id);
    const isTaken = answer.status === 202 && answer.body.retry === 0;
    if (isTaken) return answer.status;
    expect([202, 503]).toContain(answer.status);
    if (answer.status === 503) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    refused += 1;
    return 503;
  }

  return {
    accepted,
    refused: () => refused,
    slowestMs() {
      const found = slowestMs;
      slowestMs = 0;
      return found;
    },
    send: (count = 100) => sendOnce(makeBatch(count)),
    start({ clients = 2, everyMs = 50, batch = 20 } = {}) {
      const stopping = new AbortController();
      const sending = Array.from({ length: clients }, async () => {
        for await (const _ of setInterval(everyMs)) {
          if (stopping.signal.aborted) return;
          const events = makeBatch(batch);
          await waitFor('a batch to be taken', async () => (await sendOnce(events)) === 202, { timeoutMs: 90_000 });
        }
      });
      const sent = Promise.all(sending);
      // Whoever stops it is told.
      sent.catch(() => undefined);
      return {
        async stop() {
          stopping.abort();
          await sent;
        },
      };
    },
  };
}

/** Every id that was answered 202 is stored once, nothing else is, and every number agrees with every other. */
export async function expectStoredOnce(
  api: RunningServer,
  { accepted }: Pick<Load, 'accepted'>,
  expected: Partial<Pick<LedgerView, 'lost' | 'failed'>> = {},
): Promise<LedgerView> {
  await waitFor(
    'everything to be stored',
    async () => {
      const { in_flight, stored } = await api.get<LedgerView>('/api/ledger');
      return in_flight === 0 && stored >= accepted.size;
    },
    { timeoutMs: 60_000 },
  );
  const ledger = await expectEverythingAddsUp(api, { lost: expected.lost ?? 0 });
  expect(ledger).toMatchObject({ stored: accepted.size, failed: 0, ...expected });
  const ids = (await storedEvents(api)).map(({ id }) => id);
  expect(ids).toHaveLength(accepted.size);
  expect(ids.filter((id) => !accepted.has(id))).toEqual([]);
  return ledger;
}
