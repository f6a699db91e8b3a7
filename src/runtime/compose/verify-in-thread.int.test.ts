import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { createSqliteEventStore } from '../../event-store/sqlite/event-store.sqlite.ts';
import { claimOf, commitBatch, eventsOf } from '../../testing/event-store.batches.ts';
import { temporaryDirectory } from '../../testing/temporary-store.ts';
import { verifyInThread } from './verify-in-thread.ts';

it('verifies in a thread of its own, and answers what it found', async () => {
  const path = join(await temporaryDirectory(), 'store.sqlite');
  const store = await createSqliteEventStore({ path, role: 'owner', eventTypesMax: 100 });
  await commitBatch(store, await store.claim(claimOf()), eventsOf(5));
  expect(await verifyInThread(path, 100)).toEqual([]);

  const db = new DatabaseSync(path);
  db.exec('DELETE FROM events WHERE row_no = 1');
  db.close();
  const found = await verifyInThread(path, 100);
  expect(found.map(({ code }) => code)).toContain('rows_missing');
  await store.close();
});

it('rejects where it can not verify', async () => {
  const directory = await temporaryDirectory();
  await expect(verifyInThread(join(directory, 'nothing.sqlite'), 100)).rejects.toThrow(/no event store/);
});
