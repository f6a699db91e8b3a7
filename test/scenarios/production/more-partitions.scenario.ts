// Promise: partitions raised from 4 to 8 under load lose and double nothing. A key moves to its new partition once, if
// at all; before and after that its events are stored in the order they were sent, so the one break is where it moves.
import { expect, it } from 'vitest';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import type { EventView, LedgerView } from '../../../src/http/contract.ts';
import { storedEvents, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

const before = 4;
const after = 8;
const keysOfEach = 30;

it('moves keys once, and keeps everything else in order', async () => {
  const installation = await createInstallation({ partitions: before });
  const [first, second, ...workers] = await Promise.all([
    installation.startApi(),
    installation.startApi(),
    installation.startWorker(),
    installation.startWorker(),
  ]);
  // A key's events go one after another through one API: what is in order there must stay so.
  const apis = [first, second];
  const loads = apis.map((api, index) =>
    createLoad(api.send, (n) => {
      const key = `${index}/${n % keysOfEach}`;
      return { event_type: 'a', source: `client ${index}`, id: `${n}`, key, payload: {} };
    }),
  );
  const sending = loads.map((load) => load.start({ clients: 1 }));
  await waitFor('some of it to be stored', async () => (await first.get<LedgerView>('/api/ledger')).stored > 500);

  expect(await installation.esp(['topics', 'increase', String(after), '--yes'])).toMatchObject({ code: 0 });
  await waitFor(
    'both APIs to have noticed',
    async () => {
      // Either of them has keys of each partition.
      const events = (await first.get<{ events: EventView[] }>('/api/events?limit=200')).events;
      const moved = events.filter(({ partition }) => partition >= before);
      return apis.every((_, index) => moved.some(({ source }) => source === `client ${index}`));
    },
    { timeoutMs: 40_000, everyMs: 200 },
  );
  const noticedAt = loads.map(({ accepted }) => accepted.size);
  await waitFor('as much again to be sent', () =>
    loads.every(({ accepted }, index) => accepted.size > noticedAt[index]! + 500),
  );
  await Promise.all(sending.map((one) => one.stop()));

  const accepted = new Set(loads.flatMap((load) => [...load.accepted]));
  const ledger = await expectStoredOnce(first, { accepted });
  expect(ledger).toMatchObject({ duplicate: 0, skipped: 0 });
  expect(ledger.partitions.filter(({ stored }) => stored > 0)).toHaveLength(after);

  const byKey = Map.groupBy(await storedEvents(first), ({ key }) => key!);
  let moved = 0;
  for (const [key, events] of byKey) {
    const sent = events.toSorted((a, b) => Number(a.client_id) - Number(b.client_id));
    const [old, fresh] = [partitionOf(key, before), partitionOf(key, after)];
    const movedAt = sent.findIndex(({ partition }) => partition !== old);
    const parts = movedAt < 0 ? [sent] : [sent.slice(0, movedAt), sent.slice(movedAt)];
    expect(new Set(parts[0]!.map(({ partition }) => partition))).toEqual(new Set([old]));
    if (parts[1] !== undefined) {
      moved += 1;
      expect(new Set(parts[1].map(({ partition }) => partition)), key).toEqual(new Set([fresh]));
    }
    for (const part of parts) {
      expect(
        part.map(({ offset }) => offset),
        key,
      ).toEqual(part.map(({ offset }) => offset).toSorted((a, b) => a - b));
      const storedAt = part.map(({ stored_at }) => stored_at);
      expect(storedAt, key).toEqual(storedAt.toSorted());
    }
  }
  expect(byKey.size).toBe(2 * keysOfEach);
  expect(moved).toBeGreaterThan(0);
  for (const server of [...apis, ...workers]) expect(await server.stop()).toEqual({ code: 0, signal: null });
});
