import { createSqliteEventStore } from '../event-store/sqlite/event-store.sqlite.ts';
import { decideBatch } from '../processing/decide-batch.ts';
import { batchOf, claimOf, eventsOf, maintenanceOf, rejectedOf, startAt } from './event-store.batches.ts';

/**
 * A process to be killed: commits batches of `recordsPerBatch` records for ever, prunes now and then, and prints
 * next_offset after each answer. Arguments: the store's path, records per batch.
 */
const [path, recordsPerBatch] = [process.argv[2]!, Number(process.argv[3])];
const store = await createSqliteEventStore({ path, role: 'owner', eventTypesMax: 100 });
let progress = await store.claim(claimOf());

for (let batch = 0; ; batch++) {
  const events = eventsOf(recordsPerBatch - 2, (index) => ({
    receivedAt: startAt + progress.nextOffset * 10 + index,
    eventType: `type-${index % 5}`,
  }));
  const request = batchOf(progress, [...events, events[0]!, rejectedOf()]);
  const result = await store.commit(request, decideBatch);
  if (result.kind !== 'committed') throw new Error(result.kind);
  if (batch % 5 === 4) {
    const [now] = await store.progress(request.consumer);
    const before = startAt + progress.nextOffset * 5;
    await store.maintain(
      maintenanceOf(now!, { pruneBefore: before, foldFineBefore: before, foldMinutesBefore: before }),
    );
  }
  progress = (await store.progress(request.consumer))[0]!;
  process.stdout.write(`${progress.nextOffset}\n`);
}
