import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { rollupSteps } from '../domain/rollup.ts';
import {
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  maintenanceOf,
  progressOf,
  rejectedOf,
  startAt,
} from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

/** What was done to the store behind its back, and the codes of which verification must tell at least one. */
const damages: readonly (readonly [what: string, sql: string, code: string])[] = [
  ['a row deleted', 'DELETE FROM events WHERE log_offset = 1', 'rows_differ'],
  ['a row moved in time', `UPDATE events SET received_at = received_at + 600000 WHERE log_offset = 30`, 'rows_missing'],
  ['a row moved to another type', `UPDATE events SET event_type = 'other.type' WHERE log_offset = 1`, 'rows_missing'],
  ['a row moved past progress', 'UPDATE events SET log_offset = 999 WHERE log_offset = 1', 'out_of_range'],
  ['two rows at one position', 'UPDATE events SET log_offset = 2 WHERE log_offset = 1', 'position_twice'],
  ['a row of no partition', 'UPDATE events SET partition = 77 WHERE log_offset = 1', 'no_progress'],
  ['an inbox row deleted', `DELETE FROM inbox WHERE id = 'store:1:0:40'`, 'inbox_differs'],
  [
    'a rollup raised',
    'UPDATE rollup_counts SET stored = stored + 1 WHERE at = (SELECT min(at) FROM rollup_counts)',
    'rollups_differ',
  ],
  [
    'a rollup’s duplicates changed',
    'UPDATE rollup_counts SET duplicate = duplicate + 1 WHERE step_ms = 10000',
    'rollups_differ',
  ],
  ['rollups pruned more', 'UPDATE rollup_counts SET pruned = pruned + 1 WHERE step_ms = 60000', 'uncovered'],
  ['a rollup moved', 'UPDATE rollup_counts SET at = at + 3600000 WHERE step_ms = 60000', 'uncovered'],
  ['a total changed', `UPDATE type_totals SET failed = failed + 1 WHERE event_type = 'order.placed'`, 'total_differs'],
  ['a total deleted', `DELETE FROM type_totals WHERE event_type = 'order.placed'`, 'rollups_differ'],
  ['an outcome changed', 'UPDATE progress SET stored = stored - 1, duplicate = duplicate + 1', 'rows_differ'],
  ['progress pruned more', 'UPDATE progress SET pruned = pruned + 1', 'rows_differ'],
  ['latencies without events', `UPDATE rollup_latency SET histogram = '[[1,5000]]'`, 'latency_differs'],
];

export function verifyCases(makeHarness: MakeEventStoreHarness): void {
  describe('verify', () => {
    const current = useStore(makeHarness);

    it('finds nothing in a new store', async () => {
      await expectClean(current().store);
    });

    /** Rollups of all three lengths, pruned rows, duplicates, inbox rows. */
    async function fill() {
      const { store } = current();
      const { minuteMs, hourMs } = rollupSteps;
      const events = eventsOf(40, (index) => ({ receivedAt: startAt - 2 * hourMs + index * 5 * minuteMs }));
      const records = [...events, rejectedOf(), rejectedOf({ eventType: 'order.placed' }), eventOf(events[39])];
      const { progress } = await commitBatch(store, await store.claim(claimOf()), records);
      await store.maintain(
        maintenanceOf(progress, {
          pruneBefore: events[1]!.receivedAt,
          foldFineBefore: startAt,
          foldMinutesBefore: startAt - hourMs,
        }),
      );
      await commitBatch(store, await progressOf(store), [eventOf({ receivedAt: events[3]!.receivedAt })]);
      expect((await progressOf(store)).pruned).toBe(1);
      await expectClean(store);
      return store;
    }

    it.each(damages)('finds %s', async (_what, sql, code) => {
      const store = await fill();
      await current().harness.execute(sql);
      const found = await store.verify(storeConsumer);
      expect(found.map((item) => item.code)).toContain(code);
      for (const { message } of found) expect(message).toMatch(/partition/i);
    });

    it('tells a bounded number of differences', async () => {
      const { store, harness } = current();
      const events = eventsOf(500, (index) => ({ receivedAt: startAt + index * rollupSteps.fineMs }));
      await commitBatch(store, await store.claim(claimOf()), events);
      await harness.execute('UPDATE rollup_counts SET stored = stored + 1');
      expect(await store.verify(storeConsumer)).toHaveLength(100);
    });
  });
}
