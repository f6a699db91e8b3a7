import { expect } from 'vitest';
import type { LedgerView, ManyReceipt, MetricsView } from '../../../src/http/contract.ts';
import { createSeededRandom, type RunningServer, storedEvents, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';

const batch = 200;

/** The whole scenario, with so many events: the short one runs always, the long one with `npm run test:full`. */
export async function workersComeAndGo(events: number): Promise<void> {
  const random = createSeededRandom();
  const installation = await createInstallation({ partitions: 8 });
  const [first, second, killed, stopped] = await Promise.all([
    installation.startApi(),
    installation.startApi(),
    installation.startWorker(),
    installation.startWorker(),
  ]);

  const accepted = new Set<string>();
  let appended = 0;
  async function send(api: RunningServer, from: number): Promise<void> {
    const sent = Array.from({ length: batch }, (_, index) => {
      const n = from + index;
      // One in a hundred is an id that was sent before, under another key.
      const again = n > 100 && random() < 0.01;
      const id = again ? Math.floor(random() * (n - 100)) : n;
      return {
        event_type: `type.${id % 12}`,
        source: 'load',
        id: `event-${id}`,
        key: `key-${again ? n : id}`,
        payload: { id },
      };
    });
    for (;;) {
      const answer = await api.send(sent);
      if (answer.status === 202) {
        const { results, retry } = answer.body as ManyReceipt;
        expect(retry).toBe(0);
        appended += results.length;
        for (const result of results) if (result.status === 'accepted') accepted.add(result.id);
        return;
      }
      expect(answer.status).toBe(503);
      await waitFor('the API to take events', async () => (await api.request('/health/ready')).status === 200);
    }
  }

  const apis = [first, second];
  const storedSoFar = async () => (await first.get<LedgerView>('/api/ledger')).stored;
  async function sendRange(from: number, to: number): Promise<void> {
    const starts = Array.from({ length: (to - from) / batch }, (_, index) => from + index * batch);
    const lanes = apis.map(async (api) => {
      for (let start = starts.shift(); start !== undefined; start = starts.shift()) await send(api, start);
    });
    await Promise.all(lanes);
  }

  await sendRange(0, events / 4);
  await waitFor('some of it to be stored', async () => (await storedSoFar()) > 500, { timeoutMs: 60_000 });
  const sending = sendRange(events / 4, events);
  await killed.kill();
  const added = await installation.startWorker();
  expect(await stopped.stop()).toEqual({ code: 0, signal: null });
  await sending;

  const ledger = await waitFor(
    'everything to be settled',
    async () => {
      const found = await second.get<LedgerView>('/api/ledger');
      return found.in_flight === 0 && found.stored + found.duplicate === appended && found;
    },
    { timeoutMs: 60_000 + events * 3 },
  );
  expect(ledger).toMatchObject({ stored: accepted.size, failed: 0, lost: 0, skipped: 0, balanced: true });
  const ids = (await storedEvents(first)).map(({ id }) => id);
  expect(ids).toHaveLength(accepted.size);
  expect(ids.every((id) => accepted.has(id))).toBe(true);
  await waitFor('Redis to tell the same', async () => {
    const { all_time } = await second.get<MetricsView>('/api/metrics');
    return all_time.total === ledger.stored && all_time.duplicates === ledger.duplicate;
  });
  expect(await installation.esp(['verify'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK/) });
  expect(await added.stop()).toEqual({ code: 0, signal: null });
}
