import { writeSync } from 'node:fs';
import { UnavailableError } from '../domain/failure.ts';
import type { CommitRequest } from '../event-store/batch.ts';
import type { CommitResult } from '../event-store/event-store.ts';
import { createPostgresEventStore } from '../event-store/postgres/event-store.postgres.ts';
import { decideBatch } from '../processing/decide-batch.ts';
import { batchOf, claimOf, eventsOf, maintenanceOf, progressOf, rejectedOf, startAt } from './event-store.batches.ts';

/**
 * A worker to be killed or frozen: commits batches of `recordsPerBatch` records of a partition for ever, prunes now and
 * then, and prints next_offset after each answer, or `fenced` and ends. Arguments: URL, partition, records per batch,
 * and the number of the batch in whose transaction it stops itself, if any.
 */
const [url, partition, recordsPerBatch, freezeAt] = [process.argv[2]!, ...process.argv.slice(3).map(Number)];
const store = await createPostgresEventStore({ url, role: 'owner', eventTypesMax: 100 });
let progress = await store.claim(claimOf(partition));

/** As the worker does it: unchanged, until its fate is known. */
async function commitUntilKnown(request: CommitRequest, isFreezing: boolean): Promise<CommitResult> {
  let willFreeze = isFreezing;
  for (;;) {
    try {
      return await store.commit(request, (asked, knowledge) => {
        if (willFreeze) process.kill(process.pid, 'SIGSTOP');
        willFreeze = false;
        return decideBatch(asked, knowledge);
      });
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
    }
  }
}

for (let batch = 0; ; batch++) {
  const events = eventsOf(recordsPerBatch! - 2, (index) => ({
    receivedAt: startAt + progress.nextOffset * 10 + index,
    eventType: `type-${index % 5}`,
  }));
  const request = batchOf(progress, [...events, events[0]!, rejectedOf()]);
  if (batch === freezeAt) writeSync(1, 'freezing\n');
  const result = await commitUntilKnown(request, batch === freezeAt);
  if (result.kind === 'fenced') break;
  if (batch % 5 === 4) {
    const before = startAt + progress.nextOffset * 5;
    await store.maintain(
      maintenanceOf(await progressOf(store, partition), {
        pruneBefore: before,
        foldFineBefore: before,
        foldMinutesBefore: before,
      }),
    );
  }
  progress = await progressOf(store, partition);
  writeSync(1, `${progress.nextOffset}\n`);
}
writeSync(1, 'fenced\n');
await store.close();
